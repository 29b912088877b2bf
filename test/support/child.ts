// Waiting for another process without waiting for ever: it may have ended.
import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'

/** How it has ended: its exit code, or the signal that ended it. */
export async function ended(child: ChildProcess): Promise<number | NodeJS.Signals | null> {
  if (child.exitCode === null && child.signalCode === null) await once(child, 'exit')
  return child.exitCode ?? child.signalCode
}

/** The next message. Rejects where the process ends without one. */
export async function nextMessage(child: ChildProcess): Promise<unknown> {
  const abandoned = new AbortController()
  try {
    const [message] = await Promise.race([
      once(child, 'message', { signal: abandoned.signal }),
      ended(child).then(how => Promise.reject(new Error(`the process has ended: ${how}`)))
    ])
    return message
  } finally {
    abandoned.abort()
  }
}
