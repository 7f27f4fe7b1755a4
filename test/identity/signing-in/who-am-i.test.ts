import { describe, expect, it } from 'vitest'
import { Browser, basePath, failureOf, identityOf, minute, portalOf, usual, worldOf } from '../harness.ts'

const home = 'https://home.company.com'

describe('who am I', () => {
  it('says who and until when, and never a token', async () => {
    const { browser, play, world } = usual()
    play.keep = { idToken: 'secret-token', sid: 's1' }
    await browser.signIn('home', 'anna')
    const answer = await browser.open(`${home}${basePath}/session`)
    if (answer.show.kind !== 'document') throw new Error('no document')
    expect(answer.show.type).toBe('application/json')
    const time = (at: number) => new Date(at).toISOString()
    expect(JSON.parse(answer.show.body)).toEqual({
      account: 'anna@company.com',
      provider: 'PLAY',
      groups: ['staff'],
      portal: 'home',
      authenticatedAt: time(identityOf('anna').authenticatedAt),
      idleUntil: time(world.clock.now + 30 * minute),
      endsAt: time(world.clock.now + 480 * minute),
    })
    expect(answer.show.body).not.toContain('secret-token')
  })

  it('does not extend the session', async () => {
    const { browser, world } = usual()
    await browser.signIn('home', 'anna')
    world.clock.pass(20 * minute)
    expect((await browser.open(`${home}${basePath}/session`)).cookies).toEqual([])
    world.clock.pass(10 * minute)
    expect((await browser.who('home')).outcome.kind).toBe('absent')
  })

  it('is 401 for nobody, with a challenge and a way to sign in', async () => {
    const { browser } = usual()
    expect(failureOf(await browser.open(`${home}${basePath}/session`))).toMatchObject({
      status: 401,
      reason: 'sign-in-needed',
      challenge: 'Bearer realm="home"',
      signIn: '/_postern/login?return=%2F',
    })
  })

  it('is the refusal itself where a credential is refused', async () => {
    const bad = {
      name: 'H',
      protocol: 'WEBSEAL',
      label: 'H',
      recognize: () => ({ kind: 'rejected', reason: 'wrong-junction-password', detail: 'x' }) as const,
    }
    const down = { name: 'H', protocol: 'WEBSEAL', label: 'H', recognize: () => ({ kind: 'unavailable', detail: 'x' }) as const }
    for (const [provider, status] of [
      [bad, 403],
      [down, 503],
    ] as const) {
      expect(
        failureOf(await new Browser(worldOf([portalOf('home', [provider])])).open(`${home}${basePath}/session`)).status,
      ).toBe(status)
    }
  })

  it('takes GET and HEAD only', async () => {
    for (const path of ['session', 'login', 'signed-out']) {
      expect(failureOf(await usual().browser.open(`${home}${basePath}/${path}`, { method: 'POST' })).status).toBe(405)
    }
  })
})
