import { describe, expect, it } from 'vitest'
import { PosternError } from '../../../src/errors.ts'
import type { Revocations } from '../../../src/identity/sessions/revocations.ts'
import { createSignIn } from '../../../src/identity/signing-in/sign-in.ts'
import type { SignInOptions } from '../../../src/identity/signing-in/sign-in-context.ts'
import { createLogoutMemory, type LogoutMemory } from '../../../src/identity/signing-out/logout-memory.ts'
import type { Answer, LoggedOut } from '../../../src/types.ts'
import { accountOf, Browser, basePath, failureOf, requestOf, usual, type World } from '../harness.ts'

const issuer = 'https://idp.company.com'
const down = () => new PosternError('store-unavailable', 'the store is away')
const jsonOf = ({ show }: Answer) => JSON.parse(show.kind === 'document' && show.body !== '' ? show.body : '{}')

/** A provider whose logout tokens are the JSON of what they say; anything else it refuses. */
function told(options: Parameters<typeof usual>[0] = {}, more: (world: World) => Partial<SignInOptions> = () => ({})) {
  const made = usual(options)
  const read = async (token: string): Promise<LoggedOut> => {
    if (token === 'bad') throw new PosternError('logout-token-refused', 'its words are bad')
    if (token === 'away') throw new PosternError('provider-unavailable', 'no key set')
    return { issuer, jti: 'one', endsAt: made.world.clock.now + 120_000, ...JSON.parse(token) }
  }
  Object.assign(made.play.login, { readLogoutToken: read })
  const signInAs = () => createSignIn({ ...made.world, basePath, clock: made.world.clock.read, ...more(made.world) })
  const signIn = signInAs()
  const post = (fields: string | URLSearchParams, provider = 'PLAY', { portal = made.home, by = signIn } = {}) =>
    by.backChannel(
      Object.create(requestOf({ method: 'POST' }), { form: { value: new URLSearchParams(fields) } }),
      portal,
      provider,
    )
  const say = (said: object, at?: Parameters<typeof post>[2]) => post({ logout_token: JSON.stringify(said) } as never, 'PLAY', at)
  return { ...made, signIn, signInAs, post, say }
}

describe('a provider that says it has signed somebody out', () => {
  it('ends the sessions of its session at every portal, and no other; no cookie is needed', async () => {
    const { browser, play, world, say, mail } = told()
    play.keep = { sid: 's1' }
    await browser.signIn('home', 'anna')
    await browser.signIn('mail', 'anna')
    play.keep = { sid: 's2' }
    const elsewhere = new Browser(world)
    await elsewhere.signIn('home', 'anna')
    const answer = await say({ sid: 's1', subject: 'anna' }, { portal: mail } as never)
    expect(answer).toMatchObject({ status: 200, cookies: [], provider: 'PLAY' })
    expect((await browser.who('home')).outcome.kind).toBe('absent')
    expect((await browser.who('mail')).outcome.kind).toBe('absent')
    expect(accountOf(await elsewhere.who('home'))).toBe('anna@company.com')
    expect(world.log.audits.at(-1)).toMatchObject({ msg: 'signed out by the provider', fields: { provider: 'PLAY' } })
  })

  it('ends all sessions of the person where it names nobody but the person', async () => {
    const { browser, play, world, say } = told()
    play.keep = { sid: 's1' }
    await browser.signIn('home', 'anna')
    play.keep = { sid: 's2' }
    const [elsewhere, other] = [new Browser(world), new Browser(world)]
    await elsewhere.signIn('mail', 'anna')
    await other.signIn('mail', 'bert')
    expect((await say({ subject: 'anna' })).status).toBe(200)
    expect((await browser.who('home')).outcome.kind).toBe('absent')
    expect((await elsewhere.who('mail')).outcome.kind).toBe('absent')
    expect(accountOf(await other.who('mail'))).toBe('bert@company.com')
  })

  it('ends nothing of a person of the same name at another provider', async () => {
    const { browser, say } = told()
    await browser.signIn('home', 'anna')
    expect((await say({ subject: 'anna', issuer: 'https://other.company.com' })).status).toBe(200)
    expect(accountOf(await browser.who('home'))).toBe('anna@company.com')
  })

  it('does not keep the person from signing in again', async () => {
    const { browser, world, say } = told()
    await browser.signIn('home', 'anna')
    await say({ subject: 'anna' })
    world.clock.pass(1)
    await browser.signIn('home', 'anna')
    expect(accountOf(await browser.who('home'))).toBe('anna@company.com')
  })
})

describe('a logout token', () => {
  it('counts once', async () => {
    const { browser, world, say } = told()
    expect((await say({ subject: 'anna' })).status).toBe(200)
    world.clock.pass(1)
    await browser.signIn('home', 'anna')
    expect((await say({ subject: 'anna' })).status).toBe(400)
    expect(accountOf(await browser.who('home'))).toBe('anna@company.com')
    expect((await say({ subject: 'anna', jti: 'two' })).status).toBe(200)
  })

  it('counts once over a reload', async () => {
    let logouts: LogoutMemory | undefined
    const { say, signInAs, home } = told({}, ({ clock }) => {
      logouts ??= createLogoutMemory(clock.read)
      return { logouts }
    })
    expect((await say({ subject: 'anna' })).status).toBe(200)
    expect((await say({ subject: 'anna' }, { portal: home, by: signInAs() })).status).toBe(400)
  })

  it('counts once in all processes that share a board', async () => {
    const said = new Map<string, number>()
    const board = {
      get: async (key: string) => (said.has(key) ? '1' : undefined),
      put: async (key: string, _: string, forMs: number) => void said.set(key, forMs),
    } as unknown as NonNullable<SignInOptions['board']>
    const { say, signInAs, home } = told({}, () => ({ board }))
    expect((await say({ subject: 'anna' })).status).toBe(200)
    expect((await say({ subject: 'anna' }, { portal: home, by: signInAs() })).status).toBe(400)
    expect([...said]).toMatchObject([[expect.stringMatching(/^logout-token [\w-]{43}$/), 120_000]])
  })

  it.each([
    ['none', ''],
    ['an empty one', 'logout_token='],
    ['two', 'logout_token=%7B%7D&logout_token=%7B%7D'],
    ['a bad one', 'logout_token=bad'],
  ])('is refused as JSON where there is %s', async (_, form) => {
    const { post, world } = told()
    const answer = await post(form)
    expect(answer).toMatchObject({ status: 400, reason: 'logout-token-refused', cookies: [] })
    expect(jsonOf(answer)).toMatchObject({ error: 'invalid_request' })
    expect(JSON.stringify(answer)).not.toContain('words')
    expect(world.log.audits).toMatchObject([{ msg: 'logout token refused', fields: { provider: 'PLAY' } }])
  })

  it('cannot be judged while the provider is away: it may be brought again', async () => {
    const answer = await told().post('logout_token=away')
    expect(answer).toMatchObject({ status: 503, reason: 'provider-unavailable', headers: ['Retry-After', '5'] })
  })

  it.each(['NOBODY', 'OTHER'])('is for nobody at %s', async (provider) => {
    expect(failureOf(await told().post('logout_token=x', provider)).reason).toBe('endpoint-unknown')
  })

  it('is only ever posted', async () => {
    const { signIn, home } = told()
    expect((await signIn.backChannel(requestOf(), home, 'PLAY')).status).toBe(405)
  })
})

describe('while the store is away', () => {
  it('the session ends here, and the provider is told that it may not hold everywhere', async () => {
    const { browser, world, say } = told({}, ({ revocations }) => ({
      revocations: {
        isRevoked: revocations.isRevoked.bind(revocations),
        revoke: async (...how: Parameters<Revocations['revoke']>) => {
          await revocations.revoke(...how)
          throw down()
        },
      } as unknown as Revocations,
    }))
    await browser.signIn('home', 'anna')
    const answer = await say({ subject: 'anna' })
    expect(answer).toMatchObject({ status: 503, reason: 'store-unavailable' })
    expect(jsonOf(answer)).toMatchObject({ error: 'temporarily_unavailable' })
    expect((await browser.who('home')).outcome.kind).toBe('absent')
    expect(world.log.audits.at(-1)?.msg).toBe('signed out by the provider')
  })

  it('the token is not used up: brought again it counts, and then no more', async () => {
    let isDown = true
    const { browser, world, say } = told({}, ({ revocations }) => ({
      revocations: {
        isRevoked: revocations.isRevoked.bind(revocations),
        revoke: async (...how: Parameters<Revocations['revoke']>) => {
          await revocations.revoke(...how)
          if (isDown) throw down()
        },
      } as unknown as Revocations,
    }))
    await browser.signIn('home', 'anna')
    expect((await say({ subject: 'anna' })).status).toBe(503)
    isDown = false
    expect((await say({ subject: 'anna' })).status).toBe(200)
    world.clock.pass(1)
    await browser.signIn('home', 'anna')
    expect((await say({ subject: 'anna' })).status).toBe(400)
    expect(accountOf(await browser.who('home'))).toBe('anna@company.com')
  })

  it('whether a token was used before cannot be known: it counts here', async () => {
    const away = () => Promise.reject(down())
    const board = { get: away, put: away } as unknown as NonNullable<SignInOptions['board']>
    const { browser, say } = told({}, () => ({ board }))
    await browser.signIn('home', 'anna')
    expect((await say({ subject: 'anna' })).status).toBe(503)
    expect((await browser.who('home')).outcome.kind).toBe('absent')
  })
})
