// What the doors hold of one configuration, and how many requests still hold it: a reload closes the old one when its last ends.

import type { KeptRequests } from '../identity/signing-in/kept-request.ts'
import type { Generation } from '../types.ts'
import type { Forwarder } from '../upstream/forward.ts'
import type { OwnEndpoints } from './own-endpoints.ts'
import type { Trust } from './peer.ts'
import type { Reply } from './reply.ts'

export interface Parts {
  readonly generation: Generation
  readonly trust: Trust
  readonly forwarder: Forwarder
  readonly reply: Reply
  readonly own: OwnEndpoints
  /** Outlives this configuration. */
  readonly kept: KeptRequests
  /** Provider name -> `credentialsName`, for the access log. */
  readonly credentials: ReadonlyMap<string, string>
  /** Exact path answered `ok` for any Host; empty: none. */
  readonly healthPath: string
}

export class Served {
  readonly parts: Parts
  /** Resolves when the last holder has let go and everything is closed. */
  readonly closed: Promise<void>
  readonly #isClosed: () => void
  #holders = 1

  constructor(parts: Parts) {
    this.parts = parts
    const { promise, resolve } = Promise.withResolvers<void>()
    this.closed = promise
    this.#isClosed = resolve
  }

  hold(): void {
    this.#holders++
  }

  /** Closes everything when the last holder lets go; the swap itself lets go once. */
  release(): void {
    if (--this.#holders > 0) return
    void Promise.allSettled([this.parts.forwarder.close(), this.parts.generation.close()]).then(this.#isClosed)
  }
}
