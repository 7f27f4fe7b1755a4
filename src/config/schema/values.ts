// The kinds of value a configuration is made of, each checked and brought into the unit the program uses.
// Messages say `what is wrong → what to write instead` and never repeat the value: it may have come from a secret.
import { domainToASCII } from 'node:url'
import { z } from 'zod'
import { isLoopbackHost, parseRange } from '../../addresses.ts'
import { readRedisAddress } from '../../state/redis-address.ts'

const durationUnits: Readonly<Record<string, number>> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 }
const sizeUnits: Readonly<Record<string, number>> = { '': 1, b: 1, kib: 1024, mib: 1024 ** 2, kb: 1000, mb: 1000 ** 2 }

const durationAdvice = 'is no length of time → write a number with its unit: 500ms, 5s, 30m, 8h, 7d, or 0'
const durationPattern = /^(0|(\d{1,9}(ms|s|m|h|d))+)$/
function milliseconds(text: string | number): number {
  const parts = String(text).matchAll(/(\d+)(ms|s|m|h|d)/g)
  return [...parts].reduce((sum, [, amount, unit]) => sum + Number(amount) * (durationUnits[unit ?? ''] ?? 0), 0)
}

/** `5s`, `30m`, `8h`, `1h30m`, or 0. Output: milliseconds. */
export const duration = z
  .union([z.string().regex(durationPattern, durationAdvice), z.literal(0)], { error: durationAdvice })
  .transform(milliseconds)
  .meta({ id: 'duration', description: 'A length of time: `500ms`, `5s`, `30m`, `8h`, `7d`, `1h30m`, or `0`.' })

/** A length of time for protocols that count in seconds. Output: whole seconds. */
export const durationInSeconds = duration.transform((ms) => Math.floor(ms / 1000))

const positive = (ms: number): boolean => ms > 0
/** A length of time above zero. Output: milliseconds. */
export const someTime = duration.refine(positive, 'must be longer than nothing → write for example 30m')

const sizeAdvice = 'is no size → write bytes, or a number with its unit: 32KiB'
/** `32KiB`, `1MiB`, or a number of bytes. Output: bytes. */
export const size = z
  .union([z.string().regex(/^\d{1,12} ?(b|kib|mib|kb|mb)?$/i, sizeAdvice), z.int().nonnegative()], { error: sizeAdvice })
  .transform((text) => {
    const [, amount, unit] = /^(\d+) ?([a-z]*)$/i.exec(String(text)) ?? []
    return Number(amount) * (sizeUnits[(unit ?? '').toLowerCase()] ?? 1)
  })
  .meta({ id: 'size', description: 'A size: `32KiB`, `1MiB`, or a number of bytes.' })

/** true or false, also as text: templates of other products write `"true"`. */
export const flag = z
  .union([z.boolean(), z.enum(['true', 'false'])], { error: 'must be true or false → write true or false' })
  .transform((value) => value === true || value === 'true')
  .meta({ id: 'flag', description: '`true` or `false`.' })

/** Text that says something and holds no control character. */
export const text = z
  .string()
  .regex(/\S/, 'is empty → write a value, or leave the key out')
  .regex(/^[^\u0000-\u001f\u007f]*$/, 'holds a line break or control character → write it on one line')

/** Text that may hold line breaks (PEM, expressions). */
export const block = z.string().regex(/\S/, 'is empty → write a value, or leave the key out')

/** Names of portals, providers and rules. */
export const name = z
  .string()
  .regex(
    /^[A-Za-z0-9][A-Za-z0-9._ -]{0,63}$/,
    'is no name → use letters, digits, dot, underscore, blank and hyphen, starting with a letter or digit, at most 64',
  )
  .regex(/^$|\S$/, 'ends in a blank → take the blank away')
  .meta({ id: 'name', description: 'Letters, digits, `.`, `_`, `-` and blanks; at most 64.' })

/** Header field name, RFC 9110 section 5.1. */
export const headerName = z
  .string()
  .regex(/^[!#$%&'*+.^_`|~0-9A-Za-z-]{1,128}$/, 'is no header name → use letters, digits and hyphens, as in x-email')

/** An address or CIDR range. */
export const range = z
  .string()
  .trim()
  .refine((value) => parseRange(value) !== undefined, 'is no address or range → write for example 10.0.0.0/8 or 192.0.2.7')
  .meta({ id: 'range', description: 'An address or CIDR range: `10.0.0.0/8`, `192.0.2.7`, `2001:db8::/32`.' })

export interface Listen {
  readonly host: string
  readonly port: number
}
const listenPattern = /^(?:\[([0-9a-fA-F:.%]+)\]|([^:[\]\s]*)):(\d{1,5})$|^(\d{1,5})$/
function readListen(value: string | number): Listen | undefined {
  const [, six, host, port, alone] = listenPattern.exec(String(value).trim()) ?? []
  const number = Number(port ?? alone)
  return Number.isInteger(number) && number <= 65_535 ? { host: six ?? (host || '0.0.0.0'), port: number } : undefined
}
const listenAdvice = 'is no address to listen on → write address:port, for example 0.0.0.0:8080 or [::]:8080'
/** `address:port`, `[v6]:port` or a port. Output: host and port. */
export const listen = z
  .union([z.string(), z.int().nonnegative()], { error: listenAdvice })
  .refine((value) => readListen(value) !== undefined, listenAdvice)
  .transform((value): Listen => readListen(value) ?? { host: '127.0.0.1', port: 0 })
  .meta({ id: 'listen', description: '`address:port`, `[IPv6]:port`, or a port alone (all IPv4 addresses).' })

export function parseUrl(value: string): URL | undefined {
  // URL() repairs backslashes, blanks and missing slashes; what was typed has to be right as it is
  if (!/^https?:\/\/[^\s/\\?#@]+([/?#][^\s\\]*)?$/i.test(value)) return undefined
  return URL.canParse(value) ? new URL(value) : undefined
}
const isOrigin = (value: string): boolean => {
  const url = parseUrl(value)
  return url !== undefined && url.pathname === '/' && url.search === '' && url.hash === '' && !value.includes('#')
}

/** issues.ts puts what was written behind the scheme. */
export const schemeMissing = 'the scheme is missing'
const hostFirst = /^([^\s:/?#@\\]*\.[^\s:/?#@\\]+|localhost|[\w-]+(?=:\d)|\[[0-9a-f:.]+\])(:\d{1,5})?(\/.*)?$/i
/** The usual complaint, or that of a form which fits but for its scheme. */
const orLacksScheme =
  (fits: (value: string) => boolean, example: string, complaint: string) =>
  ({ input }: { readonly input?: unknown }): string =>
    typeof input === 'string' && hostFirst.test(input) && fits(`https://${input}`)
      ? `${schemeMissing} → write for example ${example}`
      : `${complaint} → write for example ${example}`
const isUrl = (value: string): boolean => parseUrl(value) !== undefined

/** Scheme, host and port, no path. Output: `scheme://host[:port]`, lower case, without default port. */
export const origin = z
  .string()
  .refine(isOrigin, {
    error: orLacksScheme(isOrigin, 'https://home.company.com', 'must be scheme, host and port without a path'),
  })
  .transform((value) => new URL(value).origin)
  .meta({ id: 'origin', description: 'Scheme, host and port: `https://home.company.com`.' })

const isSafeUrl = (value: string): boolean => {
  const url = parseUrl(value)
  return url === undefined || url.protocol === 'https:' || isLoopbackHost(url.hostname)
}
const noFragment = (value: string): boolean => !value.includes('#')

/** An address at an identity provider: https, or http on loopback only. As written. */
export const providerUrl = z
  .string()
  .refine(isUrl, { error: orLacksScheme(isUrl, 'https://idp.company.com/token', 'is no URL') })
  .refine(isSafeUrl, 'is plain http → write https (http is accepted on localhost only)')
  .refine(noFragment, 'has a fragment → take away the part from # on')
  .meta({ id: 'providerUrl', description: 'An https URL (http on localhost only).' })

/** Any http or https URL, as written. */
export const url = z
  .string()
  .refine(isUrl, { error: orLacksScheme(isUrl, 'https://home.company.com/callback', 'is no URL') })
  .refine(noFragment, 'has a fragment → take away the part from # on')
  .meta({ id: 'url', description: 'An http or https URL.' })

/** A path prefix: `/` or `/a/b`. Output: without trailing slash, except `/`. */
export const pathPrefix = z
  .string()
  .regex(/^\//, 'does not start with / → write for example /app')
  .regex(
    /^[A-Za-z0-9/._~!$&'()*+,=:@-]*$/,
    'holds a character that never stands in a canonical path → write it without query, ;, %, \\ and blanks',
  )
  .refine((value) => !/\/\/|\/\.{1,2}(\/|$)/.test(value), 'holds //, /./ or /../ → write the plain path')
  .transform((value) => (value === '/' ? '/' : value.replace(/\/$/, '')))

/** PEM text, or the name of a file that holds it (read by load.ts). Output: PEM text. */
export const pem = block.meta({ id: 'pem', description: 'PEM text, or the name of a file that holds it.' })

/** `company.com`, or `*.company.com` for one label more. Output: lower case, IDN as punycode. */
export const emailDomain = z
  .string()
  .regex(/^(\*\.)?[\p{L}\p{N}_-]+(\.[\p{L}\p{N}_-]+)*$/u, 'is no domain → write company.com or "*.company.com", without @')
  .transform((value) => (value.startsWith('*.') ? `*.${domainToASCII(value.slice(2))}` : domainToASCII(value)))
  .meta({ id: 'domain', description: 'The domain of e-mail addresses: `company.com`, or `"*.company.com"` for one label more.' })

const instantAdvice = 'is no moment with its zone → write for example 2030-01-31T18:00:00Z'
/** ISO 8601 with seconds optional and a zone. Output: epoch milliseconds. */
export const instant = z
  .string({ error: instantAdvice })
  .regex(/^\d{4}-\d\d-\d\dT\d\d:\d\d(:\d\d(\.\d{1,3})?)?(Z|[+-]\d\d:\d\d)$/, instantAdvice)
  .refine((value) => !Number.isNaN(Date.parse(value)), instantAdvice)
  .transform((value) => Date.parse(value))
  .meta({ id: 'instant', description: 'A moment with its zone: `2030-01-31T18:00:00Z`, `2030-01-31T18:00+01:00`.' })

/** One text or a list of them. Output: a list. */
export const oneOrMore = z
  .union([text.transform((value) => [value]), z.array(text)], { error: 'must be text or a list of texts → write [a, b]' })
  .meta({ id: 'texts', description: 'One text or a list of texts.' })

const isStateUrl = (value: string): boolean =>
  /^sqlite:(?!\/\/)[^\s?#:][^\u0000-\u001f\u007f?#]*$/.test(value) || isRedisUrl(value)
/** Where the state is kept; load.ts makes the file name absolute. */
export const stateUrl = z
  .string()
  .refine(isStateUrl, 'is no place for state → write sqlite:/var/lib/postern/state.db, redis://HOST:6379 or rediss://HOST:6379')
  .meta({
    id: 'stateUrl',
    description: '`sqlite:FILE`, or a Redis as in `session.store`: `redis://HOST:PORT`, `rediss://HOST:PORT`.',
  })

const isRedisUrl = (value: string): boolean => readRedisAddress(value) !== undefined
/** Where sessions live. */
export const sessionStore = z
  .string()
  .refine(
    (value) => value === 'cookie' || value === 'memory' || isRedisUrl(value),
    'is no store → write cookie, memory, redis://USER:PASSWORD@HOST:6379/0, redis+sentinel://HOST:26379,HOST:26379/MASTER or redis+cluster://HOST:6379,HOST:6379 (rediss for TLS)',
  )
  .meta({
    id: 'sessionStore',
    description:
      '`cookie`, `memory`, `redis://USER:PASSWORD@HOST:PORT/DATABASE`, `redis+sentinel://USER:PASSWORD@HOST:PORT,HOST:PORT/MASTER`, `redis+cluster://USER:PASSWORD@HOST:PORT,HOST:PORT`; `rediss` for TLS.',
  })

/** Of a connection that we open to a server of the company's own. */
export const clientTls = z.strictObject({
  ca: z.exactOptional(pem).describe('Authorities to trust instead of the usual ones.'),
  cert: z.exactOptional(pem).describe('Client certificate.'),
  key: z.exactOptional(pem).describe('Its private key.'),
  serverName: z.exactOptional(text).describe('Name expected in the certificate.'),
})
