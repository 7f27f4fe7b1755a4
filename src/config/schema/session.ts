// The `session` section: how long a sign-in lasts and what the cookie looks like.
import { z } from 'zod'
import { flag, someTime, text } from './values.ts'

const isKey = (value: string): boolean => /^[A-Za-z0-9_-]{43}=?$/.test(value) && Buffer.from(value, 'base64url').length === 32

const noKey = 'is not base64url of 32 bytes → run `postern keygen` and put what it prints into a secret'
const fileName = 'looks like a file name but is taken as it stands → write "${file:/run/secrets/postern/session-key}"'
const noList = 'must be a list → write ["${file:/run/secrets/postern/session-key}"]'
const isFileName = (value: unknown): boolean =>
  typeof value === 'string' && /^(file:|~\/|\.{0,2}\/)/.test(value) && !/^[A-Za-z0-9+/]{43}=$/.test(value)

/** Where an unresolved reference stands (`--without-secrets`): 32 zero bytes. Never reaches a start. */
export const dummyKey = Buffer.alloc(32).toString('base64url')

const shape = {
  store: z
    .literal('cookie', { error: 'this version keeps sessions in the cookie only → write cookie, or leave the key out' })
    .prefault('cookie')
    .describe('Where sessions live.'),
  keys: z
    .array(z.string().refine(isKey, { error: ({ input }) => (isFileName(input) ? fileName : noKey) }), {
      error: ({ input }) =>
        typeof input === 'string' ? noList : 'is missing → run `postern keygen` and name a secret that holds the result',
    })
    .min(1, 'holds no key → run `postern keygen` and name a secret that holds the result')
    .describe('base64url of 32 bytes each. The first seals, all open: rotation signs nobody out.'),
  idle: someTime.prefault('30m').describe('A session ends after this long without a request.'),
  lifetime: someTime.prefault('8h').describe('A session ends after this long in any case.'),
  idleRequiresSignIn: flag
    .prefault(false)
    .describe('`true`: whoever was signed out for idleness is really asked by the provider, not waved through.'),
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
