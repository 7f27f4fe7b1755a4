// Calls to other services: what is written for every one of them. Shape only; holes and hosts are looked at in checks/.
import { z } from 'zod'
import { block, headerName, text } from './values.ts'

/** Set by the call itself, or meaning something to the connection. */
const ownHeaders =
  /^(host|content-length|transfer-encoding|connection|keep-alive|proxy-.*|te|trailer|upgrade|expect|idempotency-key)$/i

const callHeaders = z
  .record(
    headerName.refine(
      (name) => !ownHeaders.test(name),
      'is set by the call itself → take it away, or use a header of another name',
    ),
    text,
    { error: 'must hold header names with texts → write { authorization: "Bearer {token.access}" }' },
  )
  .prefault({})

/** Keys of one call. The method is known when the rest is: see `withMethod`. */
export const callKeys = {
  url: text
    .meta({ id: 'urlTemplate', description: 'An http or https URL whose path and query may hold `{EXPRESSION}` holes.' })
    .describe(
      'Address with `{EXPRESSION}` holes, percent-encoded where they stand: `https://api.company.com/people/{claims.sub}`. Scheme and host are written out.',
    ),
  method: z
    .exactOptional(
      z.enum(['GET', 'POST', 'PUT', 'PATCH', 'DELETE'], {
        error: 'is not one of GET, POST, PUT, PATCH, DELETE → write one of them in upper case',
      }),
    )
    .describe('Default: `POST` with a `body`, else `GET`.'),
  headers: callHeaders.describe('Texts with `{EXPRESSION}` holes; `{{` and `}}` are braces.'),
  body: z
    .exactOptional(block)
    .describe(
      'One JSONata expression: sent as JSON, or as it is where it yields text. References may stand in its quoted texts.',
    ),
}

/** Fills in the method. */
export const withMethod = <C extends { method?: Method; body?: string }>(call: C): C & { method: Method } => ({
  ...call,
  method: call.method ?? (call.body === undefined ? 'GET' : 'POST'),
})
export type Method = 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE'
