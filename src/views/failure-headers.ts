// Headers that tell a machine what to do about a failure; the same with a page and with a document.
import type { Failure } from '../types.ts'

/** Seconds until a 503 is worth another try, where nobody knows better. */
const defaultRetryAfter = 5

/** `WWW-Authenticate` (RFC 9110 section 11.6.1) of a 401, `Retry-After` (section 10.2.3) where trying again may help. Flat. */
export function failureHeaders(failure: Failure): readonly string[] {
  const headers: string[] = []
  if (failure.status === 401 && failure.challenge) headers.push('WWW-Authenticate', oneLine(failure.challenge))
  const retryAfter = failure.retryAfter ?? (failure.status === 503 ? defaultRetryAfter : undefined)
  if (retryAfter !== undefined && Number.isFinite(retryAfter)) {
    headers.push('Retry-After', String(Math.max(1, Math.ceil(retryAfter))))
  }
  return headers
}

const oneLine = (text: string): string => text.replace(/[^\x20-\x7e]/g, '')
