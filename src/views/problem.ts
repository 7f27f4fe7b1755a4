// The same failures for a machine: RFC 9457.
import { describe } from '../errors.ts'
import type { Failure } from '../types.ts'
import type { Rendered } from './document.ts'
import { failureHeaders } from './failure-headers.ts'
import { safeUrl } from './html.ts'

/**
 * `application/problem+json` with `type` (`urn:postern:problem:REASON`, stable), `title`, `status`, `detail` (the rule's
 * message, else the catalogue's sentence), `requestId`, and where known `signIn`, `provider`, `rule`. Always English: a
 * program reads it. Never the account: whoever may not see who is signed in may be the one asking.
 */
export function renderProblem(failure: Failure): Rendered {
  const { title, sentence } = describe(failure.reason)
  const problem = {
    type: `urn:postern:problem:${failure.reason}`,
    title,
    status: failure.status,
    detail: failure.message ?? sentence,
    requestId: failure.requestId,
    signIn: safeUrl(failure.signIn)?.text,
    provider: failure.provider,
    rule: failure.rule,
  }
  const headers = ['Content-Type', 'application/problem+json', 'Cache-Control', 'no-store', 'X-Content-Type-Options', 'nosniff']
  return { status: failure.status, headers: [...headers, ...failureHeaders(failure)], body: `${JSON.stringify(problem)}\n` }
}
