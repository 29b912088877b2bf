import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { dirname } from 'node:path'
import { text } from 'node:stream/consumers'

export const root = dirname(dirname(import.meta.dirname))

/** Runs a script in a process that has to end by itself and well; the lines it prints. */
export async function runScript(...args: string[]): Promise<string[]> {
  const child = spawn(process.execPath, ['--import', 'tsx', ...args], {
    cwd: root,
    env: { ...process.env, NO_COLOR: '' },
    timeout: 60_000
  })
  const [stdout, stderr, [status, signal]] = await Promise.all([
    text(child.stdout),
    text(child.stderr),
    once(child, 'close')
  ])
  assert.equal(signal, null, `${args.join(' ')} does not end:\n${stdout}${stderr}`)
  assert.equal(status, 0, stderr)
  return stdout.trimEnd().split('\n')
}
