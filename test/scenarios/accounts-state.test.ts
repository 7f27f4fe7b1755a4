// The state that links and provisioning live in is elsewhere after a reload, or is gone: who gets in, and what the operator sees.
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { listenOnLoopback } from '../support/loopback.ts'
import { client, type Place, startWorld, userIn, type World } from './promises/world.ts'

let folder: string
let world: World
let home: string
let state: string
const inFile = (name: string) => `state: sqlite:${join(folder, name)}.db`

const configuration = ({ portal, play, fido }: Place): string => `
providers:
  - { name: PLAY, protocol: OIDC, issuer: "${play}", ${client}, link: { first: email } }
  - { name: FIDO, protocol: OIDC, issuer: "${fido}", ${client} }
portals:
  - { name: home, host: home.localhost, upstream: "${portal}", providers: [PLAY] }
`
const keptIn = async (server: string) => {
  state = server
  expect(await world.reconfigure(configuration(world))).toBe(true)
}
const admin = async (path: string, method = 'GET') => {
  const answer = await fetch(world.postern.adminUrl + path, { method })
  return [answer.status, await answer.text()] as const
}

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'postern-state-'))
  state = inFile('one')
  world = await startWorld({
    portals: ['home'],
    get server() {
      return state
    },
    configuration,
  })
  home = world.url('home')
})
afterAll(async () => {
  await world?.stop()
  await rm(folder, { recursive: true, force: true })
})

describe('server.state', () => {
  it('is another one after a reload: sessions go on, links are those of the new one, and none of the old is lost', async () => {
    const anna = world.somebody()
    await anna.open(home, 'anna')
    const [, inOne] = await admin('/links')
    expect(inOne).toContain('anna@mycompany.com')
    await keptIn(inFile('two'))
    expect((await anna.fetch(home)).status).toBe(200)
    expect(await admin('/links')).toEqual([200, '{"links":[]}'])
    await world.somebody().open(home, 'bert')
    expect((await admin('/links'))[1]).toContain('bert@mycompany.com')
    await keptIn(inFile('one'))
    expect(await admin('/links')).toEqual([200, inOne])
  })

  it('cannot be reached: nobody signs in, the admin listener says so, whoever is signed in goes on, and all is well afterwards', async () => {
    const anna = world.somebody()
    await anna.open(home, 'anna')
    const gone = await listenOnLoopback(() => undefined)
    await gone.close()
    await keptIn(`state: "redis://:s3cret-of-redis@127.0.0.1:${gone.port}"`)
    const bert = world.somebody()
    expect((await bert.open(home, 'bert')).status).toBe(503)
    expect((await bert.fetch(home)).status).toBe(401)
    expect((await anna.fetch(home)).status).toBe(200)
    const answers = [await admin('/provisioning'), await admin('/links'), await admin('/links/abc', 'DELETE')]
    expect(answers.map(([status]) => status)).toEqual([503, 503, 503])
    expect(answers.join() + world.postern.logText()).not.toContain('s3cret-of-redis')
    await keptIn(inFile('one'))
    expect((await bert.open(home, 'bert')).status).toBe(200)
    expect(userIn(world.lastSeen())).toBe('bert@mycompany.com')
    expect((await admin('/provisioning'))[0]).toBe(200)
  })

  it('that cannot be opened changes nothing: the reload is refused, and the old one goes on', async () => {
    state = `state: sqlite:${folder}/no/such/folder/state.db`
    expect(await world.reconfigure(configuration(world))).toBe(false)
    expect((await world.somebody().open(home, 'anna')).status).toBe(200)
    expect((await admin('/links'))[1]).toContain('anna@mycompany.com')
  })
})
