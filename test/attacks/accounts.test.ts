// Somebody with an account at one provider and claims of their choice, against links and rules: what a refused sign-in leaves behind,
// which spellings are one account, what a browser keeps whose new sign-in was not admitted.
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import type { Json } from '../../src/types.ts'
import { client, company, type Place, startWorld, userIn, type World } from '../scenarios/promises/world.ts'
import type { TestAccount } from '../support/identity-provider.ts'
import { type Service, startService } from '../support/service.ts'
import { createVisitor } from '../support/visitor.ts'

let api: Service
let folder: string
let world: World
let home: string
// the provider takes the names of claims from here when it starts
const claimed: Record<string, Json> = { email: '', email_verified: true, groups: [], wanted: '' }
const accounts: Record<string, TestAccount> = {
  ...company,
  mallory: { claims: claimed },
}

const linked = ({ portal, play, fido }: Place): string => `
providers:
  - name: PLAY
    protocol: OIDC
    issuer: ${play}
    ${client.replace(', ', '\n    ')}
    accountAttribute: wanted
    link: { first: email }
    postLogin: [{ name: known, call: { url: "${api.url}/people/{claims.sub}" } }]
    profiles:
      - when: "true"
        provision: { url: "${api.url}/users/{account}", method: PUT, timeout: 5s }
    rules: [{ name: staff-only, when: '"staff" in groups' }]
  - name: FIDO
    protocol: OIDC
    issuer: ${fido}
    ${client.replace(', ', '\n    ')}
    accountAttribute: wanted
    link: { first: email }
portals:
  - name: home
    host: home.localhost
    upstream: ${portal}
    providers: [PLAY, FIDO]
`
const links = async () =>
  ((await (await fetch(`${world.postern.adminUrl}/links`)).json()) as { links: { id: string; account: string }[] }).links
const at = (provider: string) => `${home}/_postern/start/${provider}?return=%2F`
const become = (claims: Record<string, Json>) => {
  for (const name of Object.keys(claimed)) delete claimed[name]
  Object.assign(claimed, { email: 'mallory@mycompany.com', email_verified: true, groups: ['staff'], wanted: 'mallory' }, claims)
}

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'postern-attack-'))
  api = await startService()
  world = await startWorld({
    portals: ['home'],
    server: `state: sqlite:${join(folder, 'state.db')}`,
    accounts,
    configuration: linked,
  })
  home = world.url('home')
})
beforeEach(async () => {
  api.answer = () => ({ status: 200, body: {} })
  for (const { id } of await links()) await fetch(`${world.postern.adminUrl}/links/${id}`, { method: 'DELETE' })
  become({})
})
afterAll(async () => {
  await world?.stop()
  await api?.close()
  await rm(folder, { recursive: true, force: true })
})

describe('an account link', () => {
  it('is not made for whom the rules refuse: nobody takes an account by asking for it', async () => {
    become({ groups: ['guests'], wanted: 'chief' })
    const page = await world.somebody().open(at('PLAY'), 'mallory')
    expect([page.status, page.body.includes('may not open')]).toEqual([403, true])
    expect(await links()).toEqual([])
    accounts.anna = { claims: { ...company['anna']?.claims, wanted: 'chief' } }
    expect((await world.somebody().open(at('PLAY'), 'anna')).status).toBe(200)
    expect(userIn(world.lastSeen())).toBe('chief')
  })

  it('stands before the portal is told of the account: nobody changes the account of another there', async () => {
    accounts.anna = { claims: { ...company['anna']?.claims, wanted: 'chief' } }
    await world.somebody().open(at('PLAY'), 'anna')
    expect(userIn(world.lastSeen())).toBe('chief')
    const since = api.asked.length
    become({ wanted: 'CHIEF' })
    expect((await world.somebody().open(at('PLAY'), 'mallory')).status).toBe(403)
    expect(api.asked.slice(since).filter(({ method }) => method === 'PUT')).toEqual([])
    expect((await links()).map(({ account }) => account)).toEqual(['chief'])
  })

  it('is one for all providers: neither the e-mail nor the account of another comes with a second provider', async () => {
    accounts.anna = { claims: { ...company['anna']?.claims, wanted: 'chief' } }
    await world.somebody().open(at('PLAY'), 'anna')
    for (const claims of [{ wanted: 'Chief' }, { wanted: 'chief\u200b' }, { email: 'ANNA@mycompany.com', wanted: 'other' }]) {
      become(claims)
      const page = await world.somebody().open(at('FIDO'), 'mallory')
      expect([page.status, page.body.includes('belongs to an account of somebody else')]).toEqual([403, true])
    }
    expect(world.postern.logs.filter(({ msg }) => msg === 'account link refused').length).toBeGreaterThanOrEqual(3)
  })

  it.each<[string, Record<string, Json>]>([
    ['is a list', { email: ['anna@mycompany.com'] }],
    ['is missing', { email: null }],
    ['is a blank nobody sees', { email: '\u200b\u00ad' }],
  ])('wants an e-mail address: one that %s is said to be none', async (_, claims) => {
    become(claims)
    const page = await world.somebody().open(at('PLAY'), 'mallory')
    expect([page.status, page.body.includes('does not name the account')]).toEqual([403, true])
    expect(await links()).toEqual([])
  })
})

describe('a session from before', () => {
  it.each([
    ['a look-up that fails', '/people/'],
    ['an account that cannot be set up', '/users/'],
  ])('is over after %s, for a copy of its cookie as well', async (_, failing) => {
    become({ wanted: `mallory${failing}` })
    const somebody = world.somebody()
    expect((await somebody.open(at('PLAY'), 'mallory')).status).toBe(200)
    const cookie = somebody.visitor.cookieHeader(home)
    const withCopy = () => createVisitor().load(home, { xhr: true, headers: { Cookie: cookie } })
    expect((await withCopy()).status).toBe(200)
    // another shape: it has to be told
    claimed['groups'] = ['staff', 'more']
    api.answer = ({ target }) => ({ status: target.startsWith(failing) ? 500 : 200, body: {} })
    expect((await somebody.open(`${at('PLAY')}&fresh=1`, 'mallory')).status).toBe(503)
    expect((await withCopy()).status).toBe(401)
  })
})
