// Signed out is out: whoever ends a session, it ends at both replicas, with all it has open at either, and its portal is told once.
// Where sessions live in Redis, and where they live in cookies and the replicas share a Redis beside them.
import { hash, randomBytes } from 'node:crypto'
import { decodeJwt } from 'jose'
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest'
import { findRedis } from '../support/redis.ts'
import { configurationOf, createGuest, type Guest, patience, startWorld, type World } from './sessions-setup.ts'
import { type Held, hold } from './talking-portal.ts'

interface Way {
  readonly name: string
  readonly why: string
  /** Where the session is that ends; default home. */
  readonly at?: 'wide'
  /** So does that of another browser of the same person, at home. */
  readonly endsOther?: true
  end(world: World, anna: Guest, at: string): Promise<unknown>
}

/** What the person confirms on the provider's own page. */
const leaveProvider = ({ provider, originOf }: World, { person }: Guest, client: string, at: string) => {
  const back = `${originOf(at)}/_postern/signed-out`
  return person.go(`${provider.issuer}/session/end?client_id=${client}&post_logout_redirect_uri=${back}`, { logout: 'yes' })
}
const idOf = async ({ pair }: World, at: string): Promise<string> => {
  const answer = await fetch(`${pair.replicas[0].adminUrl}/sessions?portal=${at}`)
  const { sessions } = (await answer.json()) as { sessions: { id: string }[] }
  return sessions[0]?.id ?? 'none'
}
/** What the provider calls the sign-in that this browser has there. */
async function sidOf({ provider, originOf }: World, { person }: Guest): Promise<string> {
  const verifier = randomBytes(32).toString('base64url')
  const redirect_uri = `${originOf('home')}/_postern/callback/PLAY`
  const query = new URLSearchParams({
    client_id: 'postern',
    response_type: 'code',
    scope: 'openid',
    redirect_uri,
    code_challenge: hash('sha256', verifier, 'base64url'),
    code_challenge_method: 'S256',
  })
  const code = new URL(await person.go(`${provider.issuer}/auth?${query}`, {})).searchParams.get('code') ?? ''
  const answer = await fetch(`${provider.issuer}/token`, {
    method: 'POST',
    headers: { Authorization: `Basic ${btoa('postern:s3cret')}` },
    body: new URLSearchParams({ grant_type: 'authorization_code', code, redirect_uri, code_verifier: verifier }),
  })
  const { id_token } = (await answer.json()) as { id_token: string }
  return String(decodeJwt(id_token)['sid'])
}
const image = { 'Sec-Fetch-Site': 'cross-site', 'Sec-Fetch-Mode': 'no-cors', 'Sec-Fetch-Dest': 'image', Accept: 'image/*' }

const ways: readonly Way[] = [
  {
    name: 'the person, who is sent on to the provider',
    why: 'sign-out',
    end: async (_world, anna) => {
      const leaving = await anna.load(0, '/_postern/logout')
      expect(leaving.location).toContain('id_token_hint=')
      // the provider tells us of it once more, over its back channel
      await anna.person.go(leaving.location ?? '', { logout: 'yes' })
    },
  },
  {
    name: 'the provider over its back channel, naming the sign-in',
    why: 'provider',
    end: (world, anna, at) => leaveProvider(world, anna, 'postern', at),
  },
  {
    name: 'the provider over its back channel, naming the person alone',
    why: 'provider',
    at: 'wide',
    endsOther: true,
    end: (world, anna, at) => leaveProvider(world, anna, 'wide', at),
  },
  {
    name: 'the provider in a frame that no cookie of ours reaches',
    why: 'provider',
    end: async (world, anna) => {
      const query = new URLSearchParams({ iss: world.provider.issuer, sid: await sidOf(world, anna) })
      const frame = await createGuest(world, 'nobody').load(1, `/_postern/frontchannel-logout/PLAY?${query}`)
      expect(frame.status).toBe(200)
    },
  },
  {
    name: "the portal's own sign-out",
    why: 'portal',
    end: async (_world, anna) => expect((await anna.load(0, '/app/logout')).status).toBe(200),
  },
  {
    name: '/pkmslogout in a picture of another site',
    why: 'sign-out',
    end: (_world, anna) => anna.load(1, '/pkmslogout', { headers: image }),
  },
  {
    name: 'an administrator, by person',
    why: 'revoked',
    endsOther: true,
    end: (world) => world.command(0, 'sessions', 'revoke', '--account', 'anna@company.com'),
  },
  {
    name: 'an administrator, by provider',
    why: 'revoked',
    at: 'wide',
    end: (world) => world.command(0, 'sessions', 'revoke', '--provider', 'WIDE'),
  },
  {
    name: 'an administrator, by portal',
    why: 'revoked',
    at: 'wide',
    end: (world) => world.command(1, 'sessions', 'revoke', '--portal', 'wide'),
  },
  {
    name: 'an administrator, by the session',
    why: 'revoked',
    at: 'wide',
    end: async (world, _anna, at) => world.command(0, 'sessions', 'revoke', await idOf(world, at)),
  },
]

const modes = [
  { mode: 'in Redis', settings: () => ({}) },
  {
    mode: 'in cookies, with a Redis for what is shared',
    settings: (redis: string) => ({ store: 'cookie', server: `  state: "${redis}"` }),
  },
]

describe.skipIf(findRedis() === undefined)('a session that is ended', () => {
  describe.each(modes)('$mode', ({ settings }) => {
    let world: World
    let bert: Guest
    let ofBert: Held
    beforeAll(async () => {
      world = await startWorld({ configuration: (places) => configurationOf(places, settings(places.redis)) })
      bert = createGuest(world, 'bert')
      await bert.signIn(1)
      ofBert = await hold(world, bert)
    })
    afterAll(() => world?.close())
    // whoever signs in within a second of an end may be meant by it: clocks of replicas differ
    afterEach(() => world.pass(2000))

    const told = (from: number) =>
      world.portal.told
        .slice(from)
        .map(({ user, why, portal }) => `${user} ${why} ${portal}`)
        .sort()

    it.each(ways)('by $name is over at every replica, with all it has open, and nobody else’s is', async (way) => {
      const at = way.at ?? 'home'
      const [anna, other] = [createGuest(world, 'anna'), createGuest(world, 'anna')]
      await anna.signIn(0, at)
      await other.signIn(1)
      expect([await anna.isIn(at), await other.isIn()]).toEqual([
        [true, true],
        [true, true],
      ])
      const [held, ofOther] = await Promise.all([hold(world, anna, at), hold(world, other)])
      await held.areAlive()
      const from = world.portal.told.length
      world.pass(1500)

      await way.end(world, anna, at)
      await held.areClosed()
      expect(await anna.isIn(at)).toEqual([false, false])
      if (way.endsOther) await ofOther.areClosed()
      else await ofOther.areAlive()
      expect(await other.isIn()).toEqual(way.endsOther ? [false, false] : [true, true])
      await ofBert.areAlive()
      expect(await bert.isIn()).toEqual([true, true])
      const ended = [`anna@company.com ${way.why} ${at}`, ...(way.endsOther ? [`anna@company.com ${way.why} home`] : [])].sort()
      await vi.waitFor(() => expect(told(from)).toEqual(ended), patience)

      await anna.load(0, '/_postern/logout?scope=local')
      ofOther.close()
      if (way.endsOther) return
      await other.load(0, '/_postern/logout?scope=local')
      await vi.waitFor(() => expect(told(from)).toHaveLength(2), patience)
    })

    it('has been told of once, whoever told', async () => {
      await world.pair.stop() // what is being told is told first
      const keys = world.portal.told.map(({ key }) => key)
      expect(keys).toHaveLength(ways.length * 2)
      expect(new Set(keys).size).toBe(keys.length)
    })
  })
})
