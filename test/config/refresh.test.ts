// What refresh and the access token's header need of the rest of a configuration.
import { describe, expect, it } from 'vitest'
import { checkRefresh } from '../../src/config/checks/check-refresh.ts'
import type { Reading } from '../../src/config/reading.ts'
import type { Config } from '../../src/config/schema.ts'
import { load, minimal } from './configuration.ts'

async function said(provider: object, portal: object = {}, session: object = { store: 'memory' }): Promise<readonly string[]> {
  const { config } = await load(minimal)
  const lines: string[] = []
  const say = (kind: string) => (path: readonly (string | number)[], message: string) =>
    void lines.push(`${kind} ${path.join('.')}: ${message}`)
  const problems = { error: say('error'), warning: say('warning'), isSettled: () => false }
  const whole = {
    ...config,
    session: { ...config.session, ...session },
    providers: [{ ...config.providers[0], ...provider }],
    portals: [{ ...config.portals[0], ...portal }],
  } as unknown as Config
  checkRefresh(whole, { problems } as unknown as Reading)
  return lines
}
const offline = { refresh: true, scope: 'openid offline_access' }

describe('refresh', () => {
  it.each(['memory', 'redis://localhost:6379', 'rediss+cluster://a:1,b:2'])('goes with the store %s', async (store) => {
    expect(await said(offline, {}, { store })).toEqual([])
  })

  it('does not go with a cookie, which cannot be changed while its browser is away', async () => {
    expect(await said(offline, {}, { store: 'cookie' })).toEqual([
      'error providers.0.refresh: needs a store that keeps sessions: a cookie cannot be changed while its browser is away',
    ])
    expect(await said({ refresh: false }, {}, { store: 'cookie' })).toEqual([])
    expect(await said({ ...offline, enabled: false }, {}, { store: 'cookie' })).toEqual([])
  })

  it.each([
    [{ issuer: 'https://login.microsoftonline.com/11111111-1111-1111-1111-111111111111/v2.0' }],
    [{ issuer: 'https://idp.company.com' }],
  ])('without offline_access is told that there may be no refresh token: %j', async (options) => {
    expect(await said({ ...options, refresh: true, scope: 'openid' })).toEqual([expect.stringContaining('offline_access')])
    expect(await said({ ...options, refresh: true, scope: 'openid  offline_access' })).toEqual([])
  })

  it('is not told so where the provider gives one anyway', async () => {
    expect(await said({ issuer: 'https://sso.company.com/realms/main', refresh: true })).toEqual([])
    expect(await said({ vendor: 'adfs', refresh: true })).toEqual([])
    expect(await said({ protocol: 'OAUTH2', refresh: true })).toEqual([])
  })

  it('wants access_type=offline of Google', async () => {
    const google = { issuer: 'https://accounts.google.com', refresh: true }
    expect(await said(google)).toEqual([expect.stringContaining('access_type=offline')])
    expect(await said({ ...google, authorizationParameters: { access_type: 'offline' } })).toEqual([])
  })
})

describe('the header of the access token', () => {
  it('needs a provider of the portal that is refreshed', async () => {
    expect(await said(offline, { accessTokenHeader: 'x-access-token' })).toEqual([])
    expect(await said({}, { accessTokenHeader: 'x-access-token' })).toEqual([
      'error portals.0.accessTokenHeader: needs a provider of this portal with refresh: true',
    ])
  })

  it.each(['X_Access_Token', 'host', 'Content-Length', 'cookie', 'x-request-id'])(
    'is not %s, which is taken',
    async (accessTokenHeader) => {
      expect(await said(offline, { accessTokenHeader, headers: { 'x-access-token': 'account' } })).toHaveLength(1)
    },
  )

  it('may be authorization', async () => {
    expect(await said(offline, { accessTokenHeader: 'authorization' })).toEqual([])
  })
})
