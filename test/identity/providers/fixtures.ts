// Requests and logs as plain data, for whoever tests a provider without a door.
import type { AuthenticationEvent, Fields, Log } from '../../../src/log.ts'
import type { AuthOutcome, Identity, RequestView } from '../../../src/types.ts'

export interface RequestParts {
  readonly path?: string
  readonly query?: string
  /** Name, value, name, value: names may repeat. */
  readonly headers?: readonly string[]
  readonly from?: string
  readonly isTrustedProxy?: boolean
  readonly certificateNames?: readonly string[]
}

export function requestOf(parts: RequestParts = {}): RequestView {
  const headers = parts.headers ?? []
  return {
    id: 'request-1',
    method: 'GET',
    // never believed: a callback is built from what was sent
    host: 'evil.example',
    path: parts.path ?? '/',
    query: parts.query ?? '',
    cookies: '',
    lines: (name) => headers.filter((_, index) => index % 2 === 1 && headers[index - 1]?.toLowerCase() === name),
    peer: {
      address: parts.from ?? '192.0.2.1',
      isTrustedProxy: parts.isTrustedProxy ?? false,
      certificateNames: parts.certificateNames ?? [],
    },
    clientAddress: null,
    navigation: true,
  }
}

/** What the browser loads when it follows `url`. */
export function arrivalOf(url: string): RequestView {
  const { pathname, search } = new URL(url)
  return requestOf({ path: pathname, query: search })
}

export interface Line {
  readonly level: string
  readonly msg: string
  readonly fields: Fields
}
/** A log that is read again. */
export function createRecorder(): Log & { readonly lines: Line[] } {
  const lines: Line[] = []
  return {
    lines,
    access: () => {},
    authentication: (event: AuthenticationEvent) => void lines.push({ level: 'authentication', msg: event.message, fields: {} }),
    audit: (msg, fields = {}) => void lines.push({ level: 'audit', msg, fields }),
    server: (level, msg, fields = {}) => void lines.push({ level, msg, fields }),
    flush: () => {},
  }
}

export function identityIn(outcome: AuthOutcome | undefined): Identity {
  if (outcome?.kind !== 'identified') throw new Error(`not identified: ${JSON.stringify(outcome)}`)
  return outcome.identity
}
