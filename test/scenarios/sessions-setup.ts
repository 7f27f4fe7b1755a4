// Two whole Posterns, one Redis, a provider that knows every kind of sign-out, a portal that is told of each end and talks to its people
// over WebSockets and event streams. One clock for all of them.
import { execFile } from 'node:child_process'
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { vi } from 'vitest'
import { type IdentityProvider, type IdentityProviderOptions, startIdentityProvider } from '../support/identity-provider.ts'
import { listenOnLoopback } from '../support/loopback.ts'
import { type Pair, startPair } from '../support/pair.ts'
import type { Person } from '../support/person.ts'
import { testKey } from '../support/postern.ts'
import { type RedisServer, startRedis } from '../support/redis.ts'
import { createVisitor, type LoadOptions, type Page, type Visitor } from '../support/visitor.ts'
import { startTalkingPortal, type TalkingPortal } from './talking-portal.ts'

export const minute = 60_000
/** Conditions, never a time: it is only how long a test that fails takes. */
export const patience = { timeout: 15_000, interval: 20 }

export interface Places {
  readonly port: number
  readonly issuer: string
  readonly portal: string
  readonly redis: string
}
export interface Settings {
  /** Beside `publicUrl`, one line. */
  readonly server?: string
  /** Instead of the Redis. */
  readonly store?: string
  readonly keys?: readonly string[]
  /** Beside those; inside of braces. */
  readonly session?: string
  readonly provider?: string
  readonly portal?: string
}

/** `home` and `short` are PLAY's, `wide` is WIDE's: a client whose logout tokens name nothing but the person. */
export function configurationOf({ port, issuer, portal, redis }: Places, settings: Settings = {}): string {
  const provider = (name: string, client: string) =>
    `  - { name: ${name}, protocol: OIDC, issuer: "${issuer}", clientId: ${client}, clientSecret: s3cret${settings.provider ?? ''} }`
  const entry = (name: string, from: string, more = '') => `  - name: ${name}
    host: ${name}.localhost
    upstream: ${portal}
    providers: [${from}]
    headers: { iv-user: account, iv-groups: groups }
    onSignOut: [{ call: { url: "${portal}/ended", body: '{ "user": account, "why": reason, "portal": portal }' } }]
    routes: [{ path: /public/**, access: public }, { path: /app/logout, endsSession: true }]
${settings.portal ?? ''}${more}`
  return `server:
  publicUrl: http://home.localhost:${port}
${settings.server ?? ''}
session: { keys: [${(settings.keys ?? [testKey]).join()}], store: "${settings.store ?? redis}", idle: 30m, lifetime: 2h, staleness: 1s${settings.session ?? ''} }
providers:
${provider('PLAY', 'postern')}
${provider('WIDE', 'wide')}
portals:
${entry('home', 'PLAY')}
${entry('short', 'PLAY', '    session: { lifetime: 20m }\n')}
${entry('wide', 'WIDE')}
`
}

export interface WorldOptions {
  readonly configuration?: (places: Places) => string
  readonly redis?: readonly string[]
  /** The address that Postern is given. */
  readonly redisUrl?: (url: string) => string
  readonly provider?: Partial<IdentityProviderOptions>
}
export interface World {
  readonly redis: RedisServer
  readonly provider: IdentityProvider
  readonly portal: TalkingPortal
  readonly pair: Pair
  readonly places: Places
  originOf(portal: string): string
  pass(milliseconds: number): void
  /** Both load it. */
  reconfigure(configuration: string): Promise<void>
  /** `postern WORDS` against the admin listener of this replica; what it printed. */
  command(replica: number, ...words: readonly string[]): Promise<string>
  close(): Promise<void>
}

export const accountsOf = (...names: readonly string[]): IdentityProviderOptions['accounts'] =>
  Object.fromEntries(names.map((name) => [name, { claims: { email: `${name}@company.com`, email_verified: true } }]))

export const originAt = (port: number) => (portal: string) => `http://${portal}.localhost:${port}`

/** As configurationOf has them. */
export function clientsOf(originOf: (portal: string) => string): IdentityProviderOptions['clients'] {
  const client = (client_id: string, portals: readonly string[], name: string) => ({
    client_id,
    client_secret: 's3cret',
    redirect_uris: portals.map((one) => `${originOf(one)}/_postern/callback/${name}`),
    post_logout_redirect_uris: portals.map((one) => `${originOf(one)}/_postern/signed-out`),
    backchannel_logout_uri: `${originOf(portals[0] as string)}/_postern/backchannel-logout/${name}`,
  })
  return [
    { ...client('postern', ['home', 'short'], 'PLAY'), backchannel_logout_session_required: true },
    client('wide', ['wide'], 'WIDE'),
  ]
}

export async function startWorld(options: WorldOptions = {}): Promise<World> {
  const redis = await startRedis(options.redis)
  const portal = await startTalkingPortal()
  const place = await listenOnLoopback(() => undefined) // each must know the other's address before it starts
  await place.close()
  let places: Places = { port: 0, issuer: place.origin, portal: portal.url, redis: options.redisUrl?.(redis.url) ?? redis.url }
  const pair = await startPair((port) => {
    places = { ...places, port }
    return (options.configuration ?? configurationOf)(places)
  })
  const originOf = originAt(places.port)
  const provider = await startIdentityProvider({
    port: place.port,
    backChannelLogout: true,
    clients: clientsOf(originOf),
    accounts: accountsOf('anna', 'bert'),
    ttl: { session: 86_400 },
    ...options.provider,
  })
  return {
    redis,
    provider,
    portal,
    pair,
    places,
    originOf,
    pass(milliseconds) {
      pair.pass(milliseconds)
      vi.setSystemTime(pair.replicas[0].time.now)
    },
    async reconfigure(configuration) {
      for (const replica of pair.replicas)
        if (!(await replica.reconfigure(configuration))) throw new Error(`refused: ${JSON.stringify(replica.logs.slice(-5))}`)
    },
    command: (replica, ...words) => command(pair, replica, words),
    async close() {
      vi.useRealTimers()
      await pair.stop()
      await Promise.all([provider.close(), portal.close(), redis.close()])
    },
  }
}

async function command({ replicas }: Pair, replica: number, words: readonly string[]): Promise<string> {
  const { folder, adminUrl } = replicas[replica as 0]
  const file = join(folder, 'as-it-listens.yaml')
  const text = await readFile(join(folder, 'postern.yaml'), 'utf8')
  await writeFile(file, text.replace(/admin: .*/, `admin: ${new URL(adminUrl).host}`))
  const main = join(import.meta.dirname, '../../src/main.ts')
  return (await promisify(execFile)(process.execPath, [main, ...words, '--config', file])).stdout
}

/** Somebody with a browser, at the provider too. */
export interface Guest {
  readonly visitor: Visitor
  readonly person: Person
  load(replica: number, url: string, options?: LoadOptions): Promise<Page>
  /** Away and back at this replica. */
  signIn(replica: number, portal?: string): Promise<Page>
  /** To the provider and not yet back: the address to come back with. */
  leave(replica: number, portal?: string): Promise<string>
  /** Follows redirects while they stay here. */
  follow(replica: number, url: string): Promise<Page>
  isIn(portal?: string): Promise<readonly boolean[]>
}

export function createGuest({ pair, provider, originOf }: Pick<World, 'pair' | 'provider' | 'originOf'>, user: string): Guest {
  const [visitor, person] = [createVisitor(), provider.person()]
  const load = async (replica: number, url: string, options: LoadOptions = {}): Promise<Page> => {
    const wanted = new URL(url, originOf('home'))
    const there = new URL(wanted)
    there.port = String(pair.replicas[replica]?.port)
    const page = await visitor.load(there.href, { ...options, headers: { Host: wanted.host, ...options.headers } })
    return { ...page, url: wanted.href }
  }
  const follow = async (replica: number, url: string): Promise<Page> => {
    let page = await load(replica, url)
    for (let hop = 0; hop < 10 && page.location !== undefined; hop++) {
      const next = new URL(page.location, page.url)
      if (!next.hostname.endsWith('.localhost')) return page
      page = await load(replica, next.href)
    }
    return page
  }
  const leave = async (replica: number, portal = 'home') => {
    const away = await follow(replica, `${originOf(portal)}/`)
    return person.go(away.location ?? '', { user, password: 'any' })
  }
  return {
    visitor,
    person,
    load,
    follow,
    leave,
    signIn: async (replica, portal) => follow(replica, await leave(replica, portal)),
    isIn: async (portal = 'home') => {
      const pages = await Promise.all([0, 1].map((replica) => load(replica, `${originOf(portal)}/`, { xhr: true })))
      return pages.map(({ status }) => status === 200)
    },
  }
}
