import type { Socket } from 'node:net'
import { soon } from '../../lib/event-loop.ts'
import { isCluster } from './client.ts'

type MaybeSocket = Socket | undefined

/** Has what is sent in one turn of the event loop go to the sockets together: one system call instead of many. */
export class Cork {
  #held: readonly MaybeSocket[] | undefined

  hold(sockets: readonly MaybeSocket[]): void {
    // Each time, should the callback that is due be lost.
    soon(this.#release)
    if (this.#held !== undefined) return
    this.#held = sockets
    for (const socket of sockets) socket?.cork()
  }

  readonly #release = (): void => {
    const held = this.#held ?? []
    this.#held = undefined
    for (const socket of held) socket?.uncork()
  }
}

/** The sockets of a client of ioredis: undefined where it is not connected. */
export function streamsOf(client: object): readonly MaybeSocket[] {
  const { stream, nodes } = client as { stream?: Socket; nodes?(role: 'all'): readonly { readonly stream?: Socket }[] }
  return isCluster(client) ? (nodes?.call(client, 'all') ?? []).map(node => node.stream) : [stream]
}
