// The configuration's shape, once: validation, defaults, types, JSON Schema and the reference come from here.
// It knows nothing of files, positions and secrets (load.ts) and builds nothing (compile.ts).
import { z } from 'zod'
import { pagesSchema } from './schema/pages.ts'
import { portalSchema } from './schema/portals.ts'
import { providerSchema } from './schema/providers.ts'
import { serverSchema } from './schema/server.ts'
import { sessionSchema } from './schema/session.ts'
import { text } from './schema/values.ts'

export type { EnforceLocal, ProviderReference } from './schema/portals.ts'
export type { CallConfig, LinkConfig, PostLoginConfig, ProfileConfig, ProvisionConfig } from './schema/signing-in.ts'
export type { Listen } from './schema/values.ts'

const listed = (what: string) => ({ error: `must be a list → write ${what}` })

export const configSchema = z.strictObject({
  server: serverSchema.prefault({}).describe('Where Postern listens and whom it believes.'),
  rulesDir: text.prefault('../rules').describe('Folder of the rule files, seen from this file.'),
  session: sessionSchema.describe('How long a sign-in lasts.'),
  providers: z.array(providerSchema, listed('- name: PLAY')).prefault([]).describe('Who says who somebody is.'),
  portals: z
    .array(portalSchema, { error: 'is missing or no list → write at least one portal: - name: home' })
    .min(1, 'holds no portal → write at least one: - name: home')
    .describe('The protected applications.'),
  pages: pagesSchema.prefault({}).describe("Postern's own pages."),
})

/** Validated, defaults applied. Times in milliseconds (OIDC `maxAge` in seconds), sizes in bytes. */
export type Config = z.output<typeof configSchema>
export type ServerConfig = Config['server']
export type SessionConfig = Config['session']
/** Discriminated by `protocol`. */
export type ProviderConfig = Config['providers'][number]
export type OidcConfig = Extract<ProviderConfig, { protocol: 'OIDC' }>
export type Oauth2Config = Extract<ProviderConfig, { protocol: 'OAUTH2' }>
export type LocalConfig = Extract<ProviderConfig, { protocol: 'LOCAL' }>
/** Providers that people are sent to. */
export type SignInConfig = OidcConfig | Oauth2Config
export type WebsealConfig = Extract<ProviderConfig, { protocol: 'WEBSEAL' }>
export type PortalConfig = Config['portals'][number]
export type RouteConfig = PortalConfig['routes'][number]
/** The name of a file in `rulesDir`, or a rule written on the spot. */
export type RuleReference = PortalConfig['rules'][number]
/** JSONata text, or `{ value, encoding, list }`. */
export type HeaderConfig = PortalConfig['headers'][string]
export type PagesConfig = Config['pages']
