// Addresses follow from the configuration alone, never from a request.
import { describe, expect, it } from 'vitest'
import { uris, urisOf } from '../../src/commands/uris.ts'
import { hostOf, postLogoutUriOf, publicUrlOf, redirectUriOf } from '../../src/config/uris.ts'
import { key, load } from './configuration.ts'

const text = (server: string, ...portals: readonly string[]) => `
server: { ${server} }
session: { keys: [${key}] }
providers:
  - { name: My IdP, protocol: OIDC, issuer: "https://idp.company.com", clientId: portal }
  - { name: CAS, protocol: OIDC, issuer: "https://idp.company.com", clientId: portal, callbackUrl: "https://home.company.com/cas/login?client_name=PLAY" }
  - { name: WS, protocol: WEBSEAL, trustedSourceIps: [192.0.2.1] }
portals:
${portals.map((portal) => `  - { upstream: "http://127.0.0.1:8081", providers: [My IdP, CAS, WS], ${portal} }`).join('\n')}
`
const first = async (server: string, portal: string) => {
  const { config } = await load(text(server, portal))
  return { config, portal: config.portals[0]! }
}

describe('what people type', () => {
  it.each([
    [
      'the portal says it',
      'publicUrl: "https://other.company.com"',
      'name: a, publicUrl: "https://HOME.company.com:443"',
      'https://home.company.com',
      'home.company.com',
    ],
    [
      'scheme and port of the server with its host',
      'publicUrl: "https://x.company.com:8443"',
      'name: a, host: home.company.com',
      'https://home.company.com:8443',
      'home.company.com',
    ],
    ['the server alone', 'publicUrl: "https://home.company.com"', 'name: a', 'https://home.company.com', 'home.company.com'],
    [
      'any host, where people sign in at one',
      'publicUrl: "https://home.company.com"',
      'name: a, host: "*"',
      'https://home.company.com',
      '*',
    ],
    [
      'a wildcard with an address of its own',
      'basePath: /_p',
      'name: a, host: "*.company.com", publicUrl: "https://home.company.com"',
      'https://home.company.com',
      '*.company.com',
    ],
  ])('is known where %s', async (_, server, entry, url, host) => {
    const { config, portal } = await first(server, entry)
    expect([publicUrlOf(portal, config), hostOf(portal, config)]).toEqual([url, host])
  })
})

describe('the redirect URI', () => {
  it('is the callback of the provider below basePath, its name encoded', async () => {
    const { config, portal } = await first('publicUrl: "https://home.company.com", basePath: /_p/', 'name: a')
    expect(redirectUriOf('My IdP', portal, config)).toBe('https://home.company.com/_p/callback/My%20IdP')
    expect(postLogoutUriOf(portal, config)).toBe('https://home.company.com/_p/signed-out')
  })

  it('is to the letter what was registered, where that is given', async () => {
    const { config, portal } = await first('publicUrl: "https://home.company.com"', 'name: a')
    expect(redirectUriOf('CAS', portal, config)).toBe('https://home.company.com/cas/login?client_name=PLAY')
  })
})

describe('postern uris', () => {
  const printed = async (json: boolean) => {
    const { config } = await load(
      text('publicUrl: "https://home.company.com"', 'name: home', 'name: mail, host: mail.company.com'),
    )
    const lines: string[] = []
    expect(uris(config, { json }, (line) => lines.push(line))).toBe(0)
    return lines
  }

  it('lists each address to register once, with the portals that use it', async () => {
    expect(await printed(false)).toEqual([
      'My IdP',
      '  redirect       https://home.company.com/_postern/callback/My%20IdP  (home)',
      '  redirect       https://mail.company.com/_postern/callback/My%20IdP  (mail)',
      '  post-logout    https://home.company.com/_postern/signed-out  (home)',
      '  post-logout    https://mail.company.com/_postern/signed-out  (mail)',
      '  back-channel   https://home.company.com/_postern/backchannel-logout/My%20IdP  (home)',
      '  back-channel   https://mail.company.com/_postern/backchannel-logout/My%20IdP  (mail)',
      '  front-channel  https://home.company.com/_postern/frontchannel-logout/My%20IdP  (home)',
      '  front-channel  https://mail.company.com/_postern/frontchannel-logout/My%20IdP  (mail)',
      'CAS',
      '  redirect       https://home.company.com/cas/login?client_name=PLAY  (home, mail)',
      '  post-logout    https://home.company.com/_postern/signed-out  (home)',
      '  post-logout    https://mail.company.com/_postern/signed-out  (mail)',
      '  back-channel   https://home.company.com/_postern/backchannel-logout/CAS  (home)',
      '  back-channel   https://mail.company.com/_postern/backchannel-logout/CAS  (mail)',
      '  front-channel  https://home.company.com/_postern/frontchannel-logout/CAS  (home)',
      '  front-channel  https://mail.company.com/_postern/frontchannel-logout/CAS  (mail)',
    ])
  })

  it('lists providers of every kind that people are sent to, second factors too, and none that are disabled', async () => {
    const { config } = await load(`
server: { publicUrl: "https://home.company.com" }
session: { keys: [${key}] }
providers:
  - { name: HUB, protocol: OAUTH2, authorizationEndpoint: "https://hub.company.com/a", tokenEndpoint: "https://hub.company.com/t", userinfoEndpoint: "https://hub.company.com/u", clientId: portal, accountAttribute: login }
  - { name: FIDO, protocol: OIDC, issuer: "https://fido.company.com", clientId: portal }
  - { name: later, protocol: OIDC, enabled: false }
  - { name: own, protocol: LOCAL }
portals:
  - { name: home, upstream: "http://127.0.0.1:8081", providers: [HUB, own, { name: FIDO, after: HUB }] }
`)
    expect(
      urisOf(config).map(({ provider, redirectUri, backChannelLogoutUri }) => [provider, redirectUri, backChannelLogoutUri]),
    ).toEqual([
      ['HUB', 'https://home.company.com/_postern/callback/HUB', undefined],
      ['FIDO', 'https://home.company.com/_postern/callback/FIDO', 'https://home.company.com/_postern/backchannel-logout/FIDO'],
    ])
  })

  it('lists them for programs as JSON', async () => {
    expect(JSON.parse((await printed(true)).join('\n'))).toContainEqual({
      provider: 'My IdP',
      portal: 'mail',
      redirectUri: 'https://mail.company.com/_postern/callback/My%20IdP',
      postLogoutUri: 'https://mail.company.com/_postern/signed-out',
      backChannelLogoutUri: 'https://mail.company.com/_postern/backchannel-logout/My%20IdP',
      frontChannelLogoutUri: 'https://mail.company.com/_postern/frontchannel-logout/My%20IdP',
    })
  })

  it('says so where there is nothing to register', async () => {
    const { config } = await load(
      text('publicUrl: "https://home.company.com"', 'name: home').replace('[My IdP, CAS, WS]', '[WS]'),
    )
    const lines: string[] = []
    uris(config, { json: false }, (line) => lines.push(line))
    expect(lines).toEqual(['no portal names a provider that people sign in at: there is nothing to register'])
  })
})
