// Whether an answer may go on after its person was signed out.
import type { RawHeaders } from './engine.ts'
import type { Kind } from './open-connections.ts'
import { text } from './response-headers.ts'

/** Of what may go on for ever. What says how long it is was granted whole. */
export function kindOf(raw: RawHeaders): Kind | undefined {
  let kind: Kind = 'answer'
  for (let at = 0; at + 1 < raw.length; at += 2) {
    const name = raw[at] as string | Buffer
    if (name.length === 14 && text(name).toLowerCase() === 'content-length') return undefined
    if (name.length === 12 && text(name).toLowerCase() === 'content-type' && isStream.test(text(raw[at + 1] as string | Buffer)))
      kind = 'stream'
  }
  return kind
}

const isStream = /^\s*(text\/event-stream|multipart\/x-mixed-replace|application\/(x-ndjson|stream\+json|grpc-web))\b/i
