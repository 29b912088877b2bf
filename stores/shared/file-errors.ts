/** Nothing is there, or what no FileStore has put there: a link, a directory, a pipe, a socket. */
const ABSENT = new Set(['ENOENT', 'ENOTDIR', 'ELOOP', 'EMLINK', 'EISDIR', 'ESPIPE', 'ENXIO', 'EAGAIN', 'EINVAL'])

/** The target of the renaming of a directory is there already. */
const TAKEN = new Set(['EEXIST', 'ENOTEMPTY', 'EPERM', 'EACCES'])

export function isMissing(error: unknown): boolean {
  return codeOf(error) === 'ENOENT'
}

export function isAbsent(error: unknown): boolean {
  return ABSENT.has(codeOf(error))
}

export function isTaken(error: unknown): boolean {
  return TAKEN.has(codeOf(error))
}

/** What is to be made is there already. */
export function isThereAlready(error: unknown): boolean {
  return codeOf(error) === 'EEXIST'
}

/** Waits for what may find nothing there. */
export async function ignoreAbsent(promise: Promise<unknown>): Promise<void> {
  try {
    await promise
  } catch (error) {
    if (!isAbsent(error)) throw error
  }
}

function codeOf(error: unknown): string {
  const code: unknown = Object(error).code
  return typeof code === 'string' ? code : ''
}
