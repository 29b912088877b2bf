import type { Socket } from 'node:net'
import { setImmediate } from 'node:timers'
import { isCluster } from './client.ts'

type MaybeSocket = Socket | undefined

/** Has what is sent in one turn of the event loop go to the sockets together: one system call instead of many. */
export class Cork {
  #isHeld = false

  hold(sockets: readonly MaybeSocket[]): void {
    if (this.#isHeld) return
    this.#isHeld = true
    for (const socket of sockets) socket?.cork()
    setImmediate(() => {
      this.#isHeld = false
      for (const socket of sockets) socket?.uncork()
    })
  }
}

/** The sockets of a client of ioredis: undefined where it is not connected. */
export function streamsOf(client: object): readonly MaybeSocket[] {
  const { stream, nodes } = client as { stream?: Socket; nodes?(role: 'all'): readonly { readonly stream?: Socket }[] }
  return isCluster(client) ? (nodes?.call(client, 'all') ?? []).map(node => node.stream) : [stream]
}
