// What is left of the session from before when a sign-in does not come to its end.
import { describe, expect, it } from 'vitest'
import { Browser, portalOf, requestOf, ScriptedProvider, worldOf } from '../harness.ts'

describe('a sign-in that breaks', () => {
  it('ends the session from before, whatever the trouble was', async () => {
    let isBroken = false
    const portal = portalOf('home', [new ScriptedProvider('PLAY')], {
      admit: () => {
        if (isBroken) throw new TypeError('nobody thought of this')
        return { allowed: true, reason: 'allowed', rule: '' }
      },
    })
    const world = worldOf([portal])
    const browser = new Browser(world)
    await browser.signIn('home', 'anna')
    const request = requestOf({ cookies: browser.cookies(new URL(portal.origin).hostname) })
    const outcome = async () => (await world.identify(request, portal, undefined, world.clock.now)).outcome.kind
    expect(await outcome()).toBe('identified')
    isBroken = true
    world.clock.pass(1000)
    await expect(browser.signIn('home', 'berta')).rejects.toThrow('nobody thought of this')
    expect(await outcome()).toBe('absent')
  })
})
