// Whoever is turned away at the callback has no session and no route: their refusal is explained all the same, without a token.
import { Agent, request } from 'node:http'
import { afterAll, beforeAll, expect, it } from 'vitest'
import type { Explanation } from '../../src/explanation/explanation.ts'
import { freePort } from '../support/free-port.ts'
import { type IdentityProvider, startIdentityProvider } from '../support/identity-provider.ts'
import { type RunningPostern, startPostern, testKey } from '../support/postern.ts'
import { createVisitor } from '../support/visitor.ts'
import { get, wire } from '../support/wire.ts'

let provider: IdentityProvider
let postern: RunningPostern

beforeAll(async () => {
  const issuerPort = await freePort()
  postern = await startPostern({
    configuration: (port) => `
server:
  publicUrl: http://home.localhost:${port}
session: { keys: [${testKey}] }
providers:
  - { name: PLAY, protocol: OIDC, issuer: "http://127.0.0.1:${issuerPort}", clientId: postern, clientSecret: s3cret, rules: [{ name: company, when: "hd = 'company.com'" }] }
portals:
  - { name: home, host: home.localhost, upstream: "http://127.0.0.1:9", providers: [PLAY], rules: [{ name: by-path, when: "request.path != '/x'" }], routes: [{ path: /strong, acr: phr }] }
`,
  })
  provider = await startIdentityProvider({
    port: issuerPort,
    clients: [
      {
        client_id: 'postern',
        client_secret: 's3cret',
        redirect_uris: [`http://home.localhost:${postern.port}/_postern/callback/PLAY`],
        post_logout_redirect_uris: [],
      },
    ],
    accounts: {
      bob: { claims: { email: 'bob@company.com', email_verified: false, hd: 'company.com' } },
      eve: { claims: { hd: 'company.com' } },
      dan: { claims: { email: 'dan@company.com', email_verified: true, hd: 'company.com' } },
      carl: { claims: { email: 'carl@other.org', email_verified: true, hd: 'other.org' } },
    },
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

it.each([
  ['bob', 'email-not-verified'],
  ['eve', 'account-missing'],
])('what a provider said of %s is remembered where it refused: %s', async (login, reason) => {
  const visitor = createVisitor()
  const start = await visitor.follow(`http://home.localhost:${postern.port}/x?token=SECRET`)
  const back = await provider.signIn(start.location ?? '', login)
  expect((await visitor.follow(back)).status).toBe(403)
  expect(await explainLast(reason)).toMatchObject({ decision: 'deny', reason, status: 403, portal: { name: 'home' } })
})

it('so is a return that cannot be told from anybody else’s', async () => {
  await wire(postern.port, get('/_postern/callback/PLAY?code=SECRET&state=SECRET', [], `home.localhost:${postern.port}`))
  const refused = postern.logs.filter(({ log, status }) => log === 'access' && Number(status) >= 400).at(-1)
  const text = await (await fetch(`${postern.adminUrl}/explain?request=${String(refused?.['id'])}`)).text()
  expect(JSON.parse(text)).toMatchObject({ decision: 'deny', portal: { name: 'home' } })
  expect(text).not.toContain('SECRET')
})

it('so is somebody known who is asked for more by an answer, not by a page', async () => {
  const visitor = createVisitor()
  const away = await visitor.follow(`http://home.localhost:${postern.port}/`)
  await visitor.follow(await provider.signIn(away.location ?? '', 'dan'))
  const answer = await visitor.load(`http://home.localhost:${postern.port}/strong`, { xhr: true })
  expect(answer.status).toBe(401)
  expect(await explainLast('sign-in-not-fresh')).toMatchObject({ decision: 'challenge', person: { account: 'dan@company.com' } })
})

it('nobody who is only asked who they are is remembered, nor do 10,000 of them push out a person', {
  timeout: 60_000,
}, async () => {
  const visitor = createVisitor()
  const away = await visitor.follow(`http://home.localhost:${postern.port}/x`)
  await visitor.follow(await provider.signIn(away.location ?? '', 'carl'))
  const id = String(postern.logs.filter((line) => line.log === 'access' && line['reason'] === 'rule-refused').at(-1)?.['id'])
  const home = `home.localhost:${postern.port}`
  const asked = [
    { host: home, path: '/api' },
    { host: 'scanner.example', path: '/api' },
    { host: home, path: '/a/%2e%2e/b' },
    { host: home, path: '/_postern/callback/PLAY?code=a&state=b' },
  ]
  await crowd(postern.port, asked, 10_000)
  expect(await (await fetch(`${postern.adminUrl}/explain?request=${id}`)).json()).toMatchObject({
    reason: 'rule-refused',
    person: { account: 'carl@other.org' },
  })
  const nobody = postern.logs.filter((line) => line['reason'] === 'sign-in-needed').at(-1)
  expect((await fetch(`${postern.adminUrl}/explain?request=${String(nobody?.['id'])}`)).status).toBe(404)
})

/** So many requests, of each kind in turn, on a few connections. */
async function crowd(port: number, kinds: readonly { host: string; path: string }[], count: number): Promise<void> {
  const agent = new Agent({ keepAlive: true, maxSockets: 16 })
  let next = 0
  const one = (kind: { host: string; path: string } | undefined) =>
    new Promise<void>((resolve, reject) => {
      const { host = '', path = '/' } = kind ?? {}
      request({ agent, port, path, headers: { host, accept: 'application/json' } }, (response) => {
        response.resume().on('end', resolve)
      })
        .on('error', reject)
        .end()
    })
  const walker = async () => {
    while (next < count) await one(kinds[next++ % kinds.length])
  }
  await Promise.all(Array.from({ length: 16 }, walker))
  agent.destroy()
}

async function explainLast(reason: string): Promise<Explanation> {
  const id = String(postern.logs.filter((line) => line.log === 'access' && line['reason'] === reason).at(-1)?.['id'])
  return (await (await fetch(`${postern.adminUrl}/explain?request=${id}`)).json()) as Explanation
}
