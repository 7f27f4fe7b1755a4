// The `portals` section: protected applications, their routes and the headers they get.
import { domainToASCII } from 'node:url'
import { z } from 'zod'
import { callKeys, withMethod } from './calls.ts'
import { ruleList } from './rule-reference.ts'
import { block, flag, headerName, instant, name, origin, pathPrefix, pem, range, someTime, text } from './values.ts'

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
  endsSession: flag.prefault(false).describe("`true`: the portal's own sign-out. Whoever asks for it is signed out here too."),
  reauthenticate: z
    .union([z.enum(['session', 'every']), someTime], {
      error: 'is no measure of how often people sign in → write session, every, or a length of time: 15m',
    })
    .prefault('session')
    .describe('How old the sign-in may be, counted from `auth_time`. `every`: asked for each page.'),
  acr: z
    .exactOptional(text.regex(/^\S*$/, 'is more than one word → write the one acr that the provider must reach'))
    .describe('Strength of sign-in that the provider must have asserted; where it has `acrValues`, one of those.'),
  providers: z
    .exactOptional(
      z
        .array(name, { error: 'must be a list of provider names → write [PLAY]' })
        .min(1, 'names no provider, so nobody could pass → name one, or leave the key out'),
    )
    .describe("Of the portal's providers those whose people may pass. Default: all."),
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

/** A provider of a portal: always, on a condition, or as a second factor. */
export interface ProviderReference {
  readonly name: string
  /** JSONata; must be exactly `true`. */
  readonly when?: string
  /** Second factor for people of this provider. */
  readonly after?: string
}
const providerReference = z.union(
  [
    name.transform((value): ProviderReference => ({ name: value })),
    z
      .strictObject({
        name: name.describe('The provider.'),
        when: z
          .exactOptional(block)
          .describe('JSONata. Alone it reads the request only; beside `after` also the first person. Must be exactly `true`.'),
        after: z
          .exactOptional(name)
          .describe('Second factor: people of that provider are asked here too, and stay who they are.'),
      })
      .transform((value): ProviderReference => value),
  ],
  { error: 'is no provider → write its name, or {name, when} or {name, after}' },
)

const flagOrTimes = z
  .union(
    [
      flag.transform((value): EnforceLocal => (value ? {} : false)),
      z.strictObject({
        from: z
          .exactOptional(
            z.array(range).min(1, 'holds no address, so that it would hold for nobody → name one, or leave the key out'),
          )
          .describe('For these client addresses. Default: for all.'),
        until: z.exactOptional(instant).describe('When it ends by itself.'),
      }),
    ],
    { error: 'is neither true, false nor {from, until} → write true, or { from: [10.0.0.0/8], until: 2030-01-31T18:00:00Z }' },
  )
  .prefault(false)
/** Break-glass; `{}` holds for all and without an end. `until`: epoch milliseconds. */
export type EnforceLocal = false | { readonly from?: readonly string[]; readonly until?: number }

const signOutCall = z.strictObject({
  call: z
    .strictObject(callKeys)
    .transform(withMethod)
    .describe('The call. Its expressions know the facts of the person, and `reason`: why the session ended.'),
  timeout: someTime.prefault('5s').describe('For the call and its repetitions together.'),
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
    .array(providerReference, { error: 'must be a list of provider names → write [PLAY]' })
    .prefault([])
    .describe('In the order in which they are asked: names, `{name, when}`, `{name, after}`.'),
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
  accessTokenHeader: z
    .exactOptional(headerName)
    .describe(
      "Request header with the person's access token, for portals that call APIs; `authorization` gets it as `Bearer`. Needs a provider with `refresh`.",
    ),
  preserveHost: flag.prefault(true).describe("`false`: the portal gets the upstream's own Host."),
  pathCase: z.enum(['sensitive', 'insensitive']).prefault('sensitive').describe('How paths are compared.'),
  session: z
    .strictObject({
      idle: z.exactOptional(someTime).describe('Default: `session.idle`.'),
      lifetime: z.exactOptional(someTime).describe('Default: `session.lifetime`.'),
      idleRequiresSignIn: z.exactOptional(flag).describe('Default: `session.idleRequiresSignIn`.'),
      group: z.exactOptional(name).describe('Portals of one host with the same group share one session.'),
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
  onSignOut: z
    .array(signOutCall, { error: 'must be a list of calls → write - call: { url: … }' })
    .prefault([])
    .describe('Calls made when a session of this portal has ended, whatever ended it.'),
  compat: z.enum(['webseal', 'none']).prefault('webseal').describe('`webseal`: `/pkmslogout` and `/pkmsoidc` answer.'),
  mode: z
    .enum(['enforce', 'warn'])
    .prefault('enforce')
    .describe('`warn`: rules are logged, not enforced; nobody passes a sign-in.'),
  enforceLocal: flagOrTimes.describe(
    "Break-glass: the portal's own sign-in answers, identity headers are stripped, blocked routes are open.",
  ),
  routes: z.array(routeSchema).prefault([]).describe('First match wins; no match: `access: authenticated`.'),
})
