// The `session` section: how long a sign-in lasts and what the cookie looks like.
import { z } from 'zod'
import { clientTls, flag, sessionStore, someTime, text } from './values.ts'

const isKey = (value: string): boolean => /^[A-Za-z0-9_-]{43}=?$/.test(value) && Buffer.from(value, 'base64url').length === 32

const noKey = 'is not base64url of 32 bytes → run `postern keygen` and put what it prints into a secret'
const fileName = 'looks like a file name but is taken as it stands → write "${file:/run/secrets/postern/session-key}"'
const noList = 'must be a list → write ["${file:/run/secrets/postern/session-key}"]'
const isFileName = (value: unknown): boolean =>
  typeof value === 'string' && /^(file:|~\/|\.{0,2}\/)/.test(value) && !/^[A-Za-z0-9+/]{43}=$/.test(value)

/** Where an unresolved reference stands (`--without-secrets`): 32 zero bytes. Never reaches a start. */
export const dummyKey = Buffer.alloc(32).toString('base64url')

const shape = {
  store: sessionStore
    .prefault('cookie')
    .describe(
      'Where sessions live. `cookie`: sealed in the browser, nothing to run; `memory`: in this one process; or Redis (Valkey), for any number of replicas. See [reliability.md](reliability.md). A change takes effect at the next start.',
    ),
  storeTls: z.exactOptional(clientTls).describe('For a `rediss` store.'),
  staleness: someTime
    .prefault('5s')
    .describe(
      'A session read from Redis is believed for so long without asking again; and where Redis has not answered for so long (3 s at least), whoever brings a session gets 503.',
    ),
  keys: z
    .array(z.string().refine(isKey, { error: ({ input }) => (isFileName(input) ? fileName : noKey) }), {
      error: ({ input }) =>
        typeof input === 'string' ? noList : 'is missing → run `postern keygen` and name a secret that holds the result',
    })
    .min(1, 'holds no key → run `postern keygen` and name a secret that holds the result')
    .describe(
      'base64url of 32 bytes each. The first seals, all open. A new one goes to the end, until every replica has it, then to the front: nobody is signed out.',
    ),
  idle: someTime
    .prefault('30m')
    .describe(
      'A session ends after this long without a request. A use is noted when a tenth of it has passed since the last, at least a minute.',
    ),
  lifetime: someTime.prefault('8h').describe('A session ends after this long in any case.'),
  idleRequiresSignIn: flag
    .prefault(false)
    .describe('`true`: whoever was signed out for idleness is really asked by the provider, not waved through.'),
  maxPerUser: z
    .union([z.literal(0), z.int().min(1).max(1000)], { error: 'is no number of sessions → write 0 for no limit, or 1 to 1000' })
    .prefault(0)
    .describe('Sessions that a person may have at a portal at a time. `0`: no limit. Needs a store that keeps sessions.'),
  onLimit: z
    .enum(['refuse', 'displace'], { error: 'is neither refuse nor displace → write one of them' })
    .prefault('refuse')
    .describe(
      'Beyond `maxPerUser`: refused, or asked whether the oldest session shall end for this one. See [sessions.md](sessions.md).',
    ),
  claims: z.array(text).prefault([]).describe('Keep only these claims in the session. Empty: all.'),
  cookie: z
    .strictObject({
      name: z
        .string()
        .regex(/^[A-Za-z0-9_-]{1,64}$/, 'is no cookie name → use letters, digits, hyphen and underscore')
        .prefault('auto')
        .describe('`auto`: `__Host-postern` where the portal is https, `postern` where it is http.'),
      sameSite: z
        .enum(['lax', 'none'], {
          error: 'must be lax or none → write lax (strict would lose the session on the way back from the provider)',
        })
        .prefault('lax')
        .describe('`none` only where a portal lives in a frame of another site.'),
    })
    .prefault({})
    .describe('The session cookie.'),
}

export const sessionSchema = z.strictObject(shape, {
  error: ({ input }) =>
    (input ?? null) === null ? 'is missing → write session: { keys: ["${file:/run/secrets/postern/session-key}"] }' : undefined,
})
