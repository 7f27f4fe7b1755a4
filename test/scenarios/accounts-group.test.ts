// Portals that share a session, whose provider's people go through something at each of them.
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { type Service, startService } from '../support/service.ts'
import { client, type Place, startWorld, type World } from './promises/world.ts'

let api: Service
let folder: string
let world: World
let home: string

const withProfile =
  (profile: string) =>
  ({ portal, play, fido }: Place): string =>
    `
providers:
  - name: PLAY
    protocol: OIDC
    issuer: ${play}
    ${client.replace(', ', '\n    ')}
    profiles: [${profile}]
  - { name: FIDO, protocol: OIDC, issuer: "${fido}", ${client} }
portals:
${['one', 'two']
  .map(
    (name) => `  - name: ${name}
    path: /${name}
    host: home.localhost
    upstream: ${portal}
    providers: [PLAY]
    session: { group: both }
    headers: { x-groups: "$join(groups, ',')" }`,
  )
  .join('\n')}
`
const configured = async (profile: string) => expect(await world.reconfigure(withProfile(profile)(world))).toBe(true)
const groups = () => {
  const { headers } = world.lastSeen()
  return headers[headers.findIndex((name, at) => at % 2 === 0 && name.toLowerCase() === 'x-groups') + 1]
}

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'postern-group-'))
  api = await startService(() => ({ status: 201 }))
  world = await startWorld({
    portals: ['home'],
    server: `state: sqlite:${join(folder, 'state.db')}`,
    configuration: withProfile('{ when: "true" }'),
  })
  home = world.url('home')
})
afterAll(async () => {
  await world?.stop()
  await api?.close()
  await rm(folder, { recursive: true, force: true })
})

it('one session opens both where nothing depends on the portal', async () => {
  const anna = world.somebody()
  await anna.open(`${home}/one/`, 'anna')
  expect((await anna.fetch(`${home}/two/`)).status).toBe(200)
})

it('groups that one portal gives are not taken to another: there they sign in again', async () => {
  await configured(`{ when: "true", groups: 'portal = "one" ? ["admin"] : ["guest"]' }`)
  const anna = world.somebody()
  await anna.open(`${home}/one/`, 'anna')
  expect(groups()).toBe('admin')
  expect((await anna.fetch(`${home}/two/`)).status).toBe(401)
  expect((await anna.open(`${home}/two/`, 'anna')).status).toBe(200)
  expect([groups(), anna.asked]).toEqual(['guest', []])
  expect((await anna.fetch(`${home}/one/`)).status).toBe(401)
})

it('every portal is told of the account before its person arrives, and then one session opens all of them', async () => {
  await configured(`{ when: "true", provision: { url: "${api.url}/users/{portal}/{account}" } }`)
  const anna = world.somebody()
  const since = api.asked.length
  await anna.open(`${home}/one/`, 'anna')
  expect((await anna.fetch(`${home}/two/`)).status).toBe(401)
  expect((await anna.open(`${home}/two/`, 'anna')).status).toBe(200)
  expect(api.asked.slice(since).map(({ target }) => target)).toEqual([
    '/users/one/anna%40mycompany.com',
    '/users/two/anna%40mycompany.com',
  ])
  expect((await anna.fetch(`${home}/one/`)).status).toBe(200)
})
