// The `portals` section: protected applications, their routes and the headers they get.
import { domainToASCII } from 'node:url'
import { z } from 'zod'
import { ruleList } from './rule-reference.ts'
import { block, flag, headerName, name, origin, pathPrefix, pem, someTime, text } from './values.ts'

/** Decoded by every canonical path, so that a pattern with one of them would match nothing. */
const needless = /%(2[de]|3[0-9]|[46][1-9a-f]|[57][0-9a]|5f|7e|[01][0-9a-f]|7f|5c|3b|25)/i

/** `*` is a run inside one segment, `**` whole segments. */
const routePath = z
  .string()
  .regex(/^\//, 'does not start with / → write for example /public/**')
  .regex(
    /^([A-Za-z0-9/._~!$&'()*+,=:@-]|%[0-9A-Fa-f]{2}|[^\u0000-\u007f])*$/,
    'holds a character that no canonical path has → write it without query, ;, \\, quotes and blanks',
  )
  .refine(
    (path) => !needless.test(path),
    'holds an encoded character that is decoded before routes are matched → write it plainly',
  )
  .refine(
    (path) => path.split('/').every((segment) => segment === '**' || !segment.includes('**')),
    '** must be a whole segment → write for example /public/**',
  )
  .refine((path) => !/\/\/|\/\.{1,2}(\/|$)/.test(path), 'holds //, /./ or /../ → write the plain path')

const routeSchema = z.strictObject({
  path: routePath.describe('`*` is any run inside one segment, `**` any number of whole segments.'),
  methods: z
    .exactOptional(
      z
        .array(z.string().regex(/^[A-Z][A-Z0-9_-]*$/, 'is no method in upper case → write for example POST'))
        .min(1, 'holds no method, so the route would never match → name one, or leave the key out for all'),
    )
    .describe('Upper case; `GET` includes `HEAD`. Default: all.'),
  access: z
    .enum(['authenticated', 'public', 'optional', 'blocked'])
    .prefault('authenticated')
    .describe('`public`: nobody is asked; `optional`: identity if known; `blocked`: 403 for all.'),
  message: z.exactOptional(text).describe('What a person reads on a `blocked` route.'),
  rules: ruleList.describe("Hold beside the provider's and the portal's."),
  challenge: z
    .exactOptional(z.literal(401, { error: 'must be 401 → write 401, or leave the key out' }))
    .describe('`401`: never a redirect to sign in.'),
  preflight: z
    .enum(['judge', 'forward'])
    .prefault('judge')
    .describe('`forward`: CORS preflights go to the portal without identity, cookies or body.'),
  extendsSession: flag.prefault(true).describe('`false`: polling that keeps nobody signed in.'),
  encodedSlash: z.enum(['refuse', 'allow']).prefault('refuse').describe('`allow`: `%2F` may stand in the path.'),
})

const headerValue = z.union(
  [
    block,
    z.strictObject({
      value: block.describe('JSONata over the facts.'),
      encoding: z.exactOptional(z.enum(['utf8_uri', 'utf8_bin'])).describe('Default: `headerEncoding`.'),
      list: z
        .exactOptional(z.enum(['quoted', 'comma', 'space', 'json']))
        .describe('Default: `quoted` for `iv-groups`, else `comma`.'),
    }),
  ],
  { error: 'is no header expression → write JSONata text, or {value, encoding, list}' },
)

const upstreamTls = z.strictObject({
  ca: z.exactOptional(pem).describe("Authorities that may have signed the portal's certificate."),
  cert: z.exactOptional(pem).describe('Client certificate.'),
  key: z.exactOptional(pem).describe('Its private key.'),
  serverName: z.exactOptional(text).describe('Name expected in the certificate.'),
})

/** Exact host, `*.company.com`, or `*`. Output: lower case, no trailing dot. */
const host = z
  .string()
  .regex(
    /^(\*|(\*\.)?[\p{L}\p{N}_-]+(\.[\p{L}\p{N}_-]+)*\.?|\[[0-9A-Fa-f:.]+\])$/u,
    'is no host → write home.company.com, "*.company.com" or "*", without scheme and port',
  )
  .transform((value) => foldedHost(value.replace(/\.$/, '')))

/** As browsers send it: lower case, IDN as punycode. */
function foldedHost(value: string): string {
  if (value === '*' || value.startsWith('[')) return value.toLowerCase()
  return value.startsWith('*.') ? `*.${domainToASCII(value.slice(2))}` : domainToASCII(value)
}

export const portalSchema = z.strictObject({
  name: name.describe('What logs, rules and cookies call it.'),
  publicUrl: z.exactOptional(origin).describe('What people type. Default: scheme and port of `server.publicUrl` with `host`.'),
  host: z.exactOptional(host).describe('Exact, `"*.company.com"` (one label) or `"*"`. Default: the host of `publicUrl`.'),
  path: pathPrefix.prefault('/').describe('Prefix on segment borders, forwarded unchanged.'),
  upstream: origin.describe('Where the application listens. No path.'),
  upstreamTls: z.exactOptional(upstreamTls).describe('For an https `upstream`.'),
  providers: z
    .array(name, { error: 'must be a list of provider names → write [PLAY]' })
    .prefault([])
    .describe('Names, in the order in which they are asked.'),
  rules: ruleList.describe('Hold on every route of this portal.'),
  headers: z
    .record(headerName, headerValue)
    .prefault({ 'iv-user': 'account', 'iv-groups': 'groups' })
    .describe('Header name to JSONata over the facts. `{}`: none.'),
  headerEncoding: z.enum(['utf8_uri', 'utf8_bin']).prefault('utf8_uri').describe('How text outside ASCII is written.'),
  stripHeaders: z.array(headerName).prefault([]).describe('Further request headers that clients may not send.'),
  authorization: z
    .enum(['pass', 'strip'])
    .prefault('pass')
    .describe('`strip`: the portal gets no `Authorization`. A credential that a provider consumed is always taken out.'),
  preserveHost: flag.prefault(true).describe("`false`: the portal gets the upstream's own Host."),
  pathCase: z.enum(['sensitive', 'insensitive']).prefault('sensitive').describe('How paths are compared.'),
  session: z
    .strictObject({
      idle: z.exactOptional(someTime).describe('Default: `session.idle`.'),
      lifetime: z.exactOptional(someTime).describe('Default: `session.lifetime`.'),
    })
    .prefault({})
    .describe('Times of this portal.'),
  allowedOrigins: z.array(origin).prefault([]).describe("For WebSocket upgrades, beside the portal's own."),
  healthCheck: z
    .strictObject({
      path: z
        .string()
        .regex(/^\/[^\s#\\]*$/, 'does not start with / → write for example /health')
        .prefault('/')
        .describe('What `/readyz/{portal}` asks.'),
      timeout: someTime.prefault('2s').describe('For its answer.'),
    })
    .prefault({})
    .describe('How `/readyz/{portal}` asks the portal.'),
  compat: z.enum(['webseal', 'none']).prefault('webseal').describe('`webseal`: `/pkmslogout` and `/pkmsoidc` answer.'),
  mode: z
    .enum(['enforce', 'warn'])
    .prefault('enforce')
    .describe('`warn`: rules are logged, not enforced; nobody passes a sign-in.'),
  routes: z.array(routeSchema).prefault([]).describe('First match wins; no match: `access: authenticated`.'),
})
