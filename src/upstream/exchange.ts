// What a door hands over and what it gets back. Types only.
import type { IncomingMessage } from 'node:http'
import type { Reason } from '../errors.ts'
import type { NameKind } from '../header-names.ts'
import type { Allow, RequestView } from '../types.ts'
import type { SessionWatch } from './open-connections.ts'

export interface UpstreamOptions extends SessionWatch {
  readonly engine: 'undici' | 'http-proxy'
  /** Milliseconds. `response`: request sent to first byte; `stream`: silence inside a body or socket, 0 is off. */
  readonly timeouts: { readonly connect: number; readonly response: number; readonly stream: number }
  readonly classify: (rawName: string) => NameKind
  /** Our own cookies start so: taken out of Cookie, and a portal cannot set them. */
  readonly cookiePrefixes: readonly string[]
}

/** How it went. `bytes` are body bytes towards the client; `upstreamMs` is the time to the portal's answer head. */
export interface Outcome {
  readonly status: number
  readonly bytes: number
  readonly failure?: Reason
  readonly detail?: string
  readonly upstreamMs?: number
}

/** Everything about one request. */
export interface Exchange {
  readonly allow: Allow
  readonly request: RequestView
  readonly incoming: IncomingMessage
  /** Nothing has been written yet: the door answers with its own page. */
  readonly refuse: (reason: Reason, detail: string) => void
  /** Exactly once, when all is over (also after refuse: then with that failure). */
  readonly done: (outcome: Outcome) => void
}
