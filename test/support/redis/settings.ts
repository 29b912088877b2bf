/** Switches on what takes minutes. */
export const isStress = process.env['REDIS_STRESS'] !== undefined

/** How long to wait for a server, for a machine that is busy with other things. */
export const PATIENT = { connectTimeout: 20_000, commandTimeout: 20_000 }

let namespaces = 0

/** One that nobody has used. */
export function newNamespace(): string {
  return `test:${process.pid}.${namespaces++}`
}
