import { describe, expect, it } from 'vitest'
import type { Portal, RequestView, Verdict } from '../../../src/types.ts'
import { failureOf, minute, usual } from '../harness.ts'

const host = 'home.company.com'

describe('the rules at the callback', () => {
  const refusal: Verdict = { allowed: false, reason: 'rule-refused', rule: 'company-domain', message: 'Only for staff.' }

  it('refuse: no session, whoever was there before is gone, and the page says why', async () => {
    const { browser, world } = usual({
      home: { admit: (identity) => (identity.subject === 'bert' ? refusal : { ...refusal, allowed: true }) },
    })
    await browser.signIn('home', 'anna')
    const before = browser.cookies(host)
    const answer = await browser.signIn('home', 'bert', { returnTo: '/x' })
    expect(failureOf(answer)).toEqual({
      status: 403,
      reason: 'rule-refused',
      requestId: 'request-1',
      provider: 'PLAY',
      account: 'bert@company.com',
      message: 'Only for staff.',
      rule: 'company-domain',
      otherAccount: '/_postern/start/PLAY?return=%2Fx&as=other',
    })
    expect(browser.cookies(host)).toBe('')
    browser.take(host, before.split('; '))
    expect((await browser.who('home')).outcome.kind).toBe('absent')
    expect(world.log.authentications.at(-1)).toMatchObject({
      result: 'Failure',
      reason: 'rule-refused',
      account: 'bert@company.com',
    })
  })

  it('see the page the person will be sent to, not the callback', async () => {
    const seen: RequestView[] = []
    const admit: Portal['admit'] = (_, request) => {
      seen.push(request)
      return { ...refusal, allowed: true }
    }
    const { browser } = usual({ home: { admit } })
    await browser.signIn('home', 'anna', { returnTo: '/deep/page?x=1#y' })
    expect(seen).toMatchObject([{ method: 'GET', path: '/deep/page', query: '?x=1', host, clientAddress: '192.0.2.1' }])
    expect(seen[0]?.lines('x')).toEqual([])
  })

  it('that break let nobody in', async () => {
    const { browser } = usual({ home: { admit: () => Promise.reject(new Error('broken')) } })
    await expect(browser.signIn('home', 'anna')).rejects.toThrow('broken')
    expect((await browser.who('home')).outcome.kind).toBe('absent')
  })

  it('a session too large is refused, and the log names the claim', async () => {
    const { browser, play, world } = usual()
    play.claims = { memberOf: 'g'.repeat(20_000) }
    const answer = await browser.signIn('home', 'anna')
    expect(failureOf(answer)).toMatchObject({ status: 403, reason: 'session-too-large', account: 'anna@company.com' })
    expect(world.log.authentications.at(-1)?.message).toContain('largest claim: "memberOf"')
    expect((await browser.who('home')).outcome.kind).toBe('absent')
  })
})

describe('redirections nobody came back from', () => {
  it('are logged once, when their ten minutes end', async () => {
    const { browser, world } = usual()
    await browser.goAway('home', 'anna')
    world.signIn.sweep(world.clock.now + 10 * minute - 1)
    expect(world.log.authentications).toHaveLength(1)
    world.signIn.sweep(world.clock.now + 10 * minute)
    world.signIn.sweep(world.clock.now + 11 * minute)
    expect(world.log.authentications.slice(1)).toEqual([
      {
        id: 'request-1',
        result: 'Failure',
        credentialType: 'FIDO',
        provider: 'PLAY',
        portal: 'home',
        clientIp: '192.0.2.1',
        reason: 'Redirection timeout',
        message: 'Timing out without response from PLAY.',
      },
    ])
    expect(world.counts).toEqual(['PLAY Redirection', 'PLAY Failure'])
  })

  it('are not logged where somebody came back, even to be refused', async () => {
    const { browser, world, play } = usual()
    await browser.signIn('home', 'anna')
    play.outcome = { kind: 'rejected', reason: 'sign-in-denied', detail: 'cancelled' }
    await browser.signIn('home', 'anna')
    const lines = world.log.authentications.length
    world.signIn.sweep(world.clock.now + 20 * minute)
    expect(world.log.authentications).toHaveLength(lines)
  })
})
