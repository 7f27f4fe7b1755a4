// Where the promises are kept: two real OpenID providers, PLAY and FIDO, portals that show what reached them, Postern in between, and
// people who are signed in at the providers as in any browser.
import { vi } from 'vitest'
import { freePort } from '../../support/free-port.ts'
import { type IdentityProvider, startIdentityProvider, type TestAccount } from '../../support/identity-provider.ts'
import { type MirrorPortal, type Seen, startMirrorPortal, valuesOf } from '../../support/mirror-portal.ts'
import type { Person } from '../../support/person.ts'
import { type PosternOptions, type RunningPostern, startPostern, testKey } from '../../support/postern.ts'
import { createVisitor, type LoadOptions, type Page, type Visitor } from '../../support/visitor.ts'

export interface Place {
  readonly port: number
  /** `http://NAME.localhost:PORT` */
  readonly url: (name: string, path?: string) => string
  /** Issuers. */
  readonly play: string
  readonly fido: string
  /** Where the mirror listens: an `upstream`. */
  readonly portal: string
}
export interface WorldOptions {
  /** Names of the portals: each is `NAME.localhost`. */
  readonly portals: readonly string[]
  /** `providers:` and `portals:`, and `rulesDir:` where there are `files`. */
  readonly configuration: (place: Place) => string
  /** Under `session:`, beside the key. */
  readonly session?: string
  /** Redirect URIs beside `/_postern/callback/{PLAY,FIDO}`. */
  readonly callbacks?: (place: Place) => readonly string[]
  readonly files?: (place: Place) => Readonly<Record<string, string>>
  readonly accounts?: Readonly<Record<string, TestAccount>>
  /** Under `server:`, a line each. */
  readonly server?: string
  readonly enforceLocal?: PosternOptions['enforceLocal']
}
export interface World extends Place {
  readonly postern: RunningPostern
  readonly PLAY: IdentityProvider
  readonly FIDO: IdentityProvider
  readonly mirror: MirrorPortal
  /** `headers` go along with every page they load from Postern. */
  somebody(headers?: Readonly<Record<string, string>>): Somebody
  /** What the portal saw last. */
  lastSeen(): Seen
  /** Time passes for everybody: Postern, providers, people. */
  later(minutes: number): void
  /** Other `providers:` and `portals:` from now on; false where they are wrong. */
  reconfigure(configuration: string): Promise<boolean>
  authentications(): readonly string[]
  stop(): Promise<void>
}

export const company: Readonly<Record<string, TestAccount>> = {
  anna: { claims: { email: 'anna@mycompany.com', email_verified: true, hd: 'mycompany.com', groups: ['staff', 'admins'] } },
  bert: { claims: { email: 'bert@mycompany.com', email_verified: true, hd: 'mycompany.com', groups: ['staff'] } },
  carl: { claims: { email: 'carl@other.org', email_verified: true, hd: 'other.org', groups: ['guests'] } },
}

export const client = 'clientId: postern, clientSecret: s3cret'

/** Everybody must know everybody's address before anybody starts. */
export async function startWorld(options: WorldOptions): Promise<World> {
  const mirror = await startMirrorPortal()
  const [port, playPort, fidoPort] = [await freePort(), await freePort(), await freePort()]
  const place: Place = {
    port,
    url: (name, path = '') => `http://${name}.localhost:${port}${path}`,
    play: `http://127.0.0.1:${playPort}`,
    fido: `http://127.0.0.1:${fidoPort}`,
    portal: mirror.url,
  }
  const whole = (configuration: string) => `
server:
  publicUrl: ${place.url(options.portals[0] ?? 'home')}
  ${options.server ?? ''}
session: { keys: [${testKey}]${options.session ? `, ${options.session}` : ''} }
${configuration}
`
  const postern = await startPostern({
    files: options.files?.(place) ?? {},
    configuration: whole(options.configuration(place)),
    port,
    ...(options.enforceLocal ? { enforceLocal: options.enforceLocal } : {}),
  })
  vi.setSystemTime(postern.time.now)
  const provider = (at: number) =>
    startIdentityProvider({
      port: at,
      clients: [
        {
          client_id: 'postern',
          client_secret: 's3cret',
          redirect_uris: [
            ...options.portals.flatMap((name) => ['PLAY', 'FIDO'].map((idp) => place.url(name, `/_postern/callback/${idp}`))),
            ...(options.callbacks?.(place) ?? []),
          ],
          post_logout_redirect_uris: options.portals.map((name) => place.url(name, '/_postern/signed-out')),
        },
      ],
      accounts: options.accounts ?? company,
      ttl: { session: 86_400 },
    })
  const [PLAY, FIDO] = [await provider(playPort), await provider(fidoPort)]
  return {
    ...place,
    postern,
    PLAY,
    FIDO,
    mirror,
    somebody: (headers = {}) =>
      new Somebody([PLAY, FIDO], headers, () => {
        postern.time.now += 10
        vi.setSystemTime(postern.time.now)
      }),
    lastSeen: () => mirror.seen.at(-1)!,
    later: (minutes) => {
      postern.time.now += minutes * 60_000
      vi.setSystemTime(postern.time.now)
    },
    reconfigure: (configuration) => postern.reconfigure(whole(configuration)),
    authentications: () =>
      postern.logs.filter(({ log }) => log === 'authentication').map(({ result, message }) => `${result}: ${message}`),
    stop: async () => {
      vi.useRealTimers()
      await postern.stop()
      await Promise.all([PLAY.close(), FIDO.close(), mirror.close()])
    },
  }
}

/** A person with a browser: goes where it is sent, and fills in what the providers ask. */
export class Somebody {
  readonly visitor: Visitor = createVisitor()
  /** Names of the providers that showed a form on the last way. */
  asked: string[] = []
  /** Addresses at the providers that the browser was sent to on the last way. */
  sentTo: URL[] = []
  readonly #providers: readonly { readonly name: string; readonly provider: IdentityProvider; readonly person: Person }[]

  readonly #headers: Readonly<Record<string, string>>
  readonly #tick: () => void

  constructor(
    [play, fido]: readonly [IdentityProvider, IdentityProvider],
    headers: Readonly<Record<string, string>>,
    tick: () => void,
  ) {
    this.#headers = headers
    this.#tick = tick
    this.#providers = [
      { name: 'PLAY', provider: play, person: play.person() },
      { name: 'FIDO', provider: fido, person: fido.person() },
    ]
  }

  /** All the way; `account` (of PLAY, and of FIDO where it is another one) is who they say they are. Nobody: no form may be shown. */
  async open(url: string, account = '', atFido = account, options: LoadOptions = {}): Promise<Page> {
    this.asked = []
    this.sentTo = []
    let page = await this.#follow(url, options)
    for (let hop = 0; hop < 4 && page.location !== undefined; hop++) {
      const away = page.location
      const at = this.#providers.find(({ provider }) => away.startsWith(`${provider.issuer}/`))
      if (!at) return page
      this.sentTo.push(new URL(away))
      const before = at.provider.asked.length
      const back = await at.person.go(away, { user: at.name === 'PLAY' ? account : atFido, password: 'any', logout: 'yes' })
      if (at.provider.asked.slice(before).some((path) => path.startsWith('/interaction/'))) this.asked.push(at.name)
      page = await this.#follow(back)
    }
    return page
  }

  /** Redirects on `*.localhost`, as long as they lead nowhere else. */
  async #follow(url: string, options: LoadOptions = {}): Promise<Page> {
    this.#tick() // nobody comes back in the very moment they leave
    const load = (to: string, more: LoadOptions = {}) =>
      this.visitor.load(to, { ...more, headers: { ...this.#headers, ...more.headers } })
    let page = await load(url, options)
    for (let hop = 0; hop < 10 && page.location !== undefined; hop++) {
      const next = new URL(page.location, page.url)
      if (!next.hostname.endsWith('.localhost')) return page
      page = await load(next.href)
    }
    return page
  }

  /** The page's own script asks. */
  fetch(url: string, options: LoadOptions = {}): Promise<Page> {
    return this.visitor.load(url, { xhr: true, ...options, headers: { ...this.#headers, ...options.headers } })
  }
}

export const userIn = (seen: Seen): string | undefined => valuesOf(seen, 'iv-user')[0]
/** Texts of the page's buttons and links that sign in. */
export const offersIn = ({ body }: Page): readonly string[] =>
  [...body.matchAll(/<a\b[^>]*href="[^"]*\/start\/[^"]*"[^>]*>([\s\S]*?)<\/a>/g)].map(([, text = '']) =>
    text
      .replace(/<[^>]*>/g, ' ')
      .replaceAll('&#39;', "'")
      .replace(/\s+/g, ' ')
      .trim(),
  )
/** Where the page's link with this text leads. */
export function linkIn({ body, url }: Page, text: string): string {
  for (const [, href = '', shown = ''] of body.matchAll(/<a\b[^>]*href="([^"]*)"[^>]*>([\s\S]*?)<\/a>/g)) {
    if (
      shown
        .replace(/<[^>]*>/g, '')
        .replaceAll('&#39;', "'")
        .includes(text)
    )
      return new URL(href.replaceAll('&amp;', '&'), url).href
  }
  throw new Error(`no link "${text}" at ${url}`)
}
