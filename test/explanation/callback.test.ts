// Whoever is turned away at the callback has no session and no route: their refusal is explained all the same, without a token.
import { afterAll, beforeAll, expect, it } from 'vitest'
import type { Explanation } from '../../src/explanation/explanation.ts'
import { type IdentityProvider, startIdentityProvider } from '../support/identity-provider.ts'
import { type RunningPostern, startPostern, testKey } from '../support/postern.ts'
import { createVisitor } from '../support/visitor.ts'

let provider: IdentityProvider
let postern: RunningPostern

beforeAll(async () => {
  const issuerPort = (port: number) => (port + 1 > 65_535 ? port - 1 : port + 1)
  postern = await startPostern({
    configuration: (port) => `
server:
  publicUrl: http://home.localhost:${port}
session: { keys: [${testKey}] }
providers:
  - { name: PLAY, protocol: OIDC, issuer: "http://127.0.0.1:${issuerPort(port)}", clientId: postern, clientSecret: s3cret, rules: [{ name: company, when: "hd = 'company.com'" }] }
portals:
  - { name: home, host: home.localhost, upstream: "http://127.0.0.1:9", providers: [PLAY], rules: [{ name: by-path, when: "request.path != '/x'" }] }
`,
  })
  provider = await startIdentityProvider({
    port: issuerPort(postern.port),
    clients: [
      {
        client_id: 'postern',
        client_secret: 's3cret',
        redirect_uris: [`http://home.localhost:${postern.port}/_postern/callback/PLAY`],
        post_logout_redirect_uris: [],
      },
    ],
    accounts: { carl: { claims: { email: 'carl@other.org', email_verified: true, hd: 'other.org' } } },
  })
})
afterAll(async () => {
  await postern.stop()
  await provider.close()
})

it('a rule that refused at the callback is named with what it read', async () => {
  const visitor = createVisitor()
  const away = await visitor.follow(`http://home.localhost:${postern.port}/x?token=SECRET`)
  const back = await provider.signIn(away.location ?? '', 'carl')
  expect((await visitor.follow(back)).status).toBe(403)
  const id = String(postern.logs.filter(({ log, reason }) => log === 'access' && reason === 'rule-refused').at(-1)?.['id'])
  const text = await (await fetch(`${postern.adminUrl}/explain?request=${id}`)).text()
  expect(JSON.parse(text) as Explanation).toMatchObject({
    reason: 'rule-refused',
    status: 403,
    portal: { name: 'home' },
    person: { account: 'carl@other.org', provider: 'PLAY' },
    rules: [
      {
        name: 'company',
        result: 'refuses',
        facts: { hd: 'other.org' },
        decidedBy: [{ source: "hd = 'company.com'", value: false }],
      },
      { name: 'by-path', result: 'not asked', detail: expect.stringContaining('not kept') },
    ],
  })
  for (const hidden of ['SECRET', 's3cret', testKey, new URL(back).searchParams.get('code') ?? 'code', 'eyJ'])
    expect(text).not.toContain(hidden)
})
