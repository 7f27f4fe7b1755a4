import { describe, expect, it } from 'vitest'
import { PosternError } from '../../../src/errors.ts'
import { Browser, basePath, failureOf, locationOf, portalOf, ScriptedProvider, worldOf } from '../harness.ts'

const home = 'https://home.company.com'
const slot = '0abcdefghABCDEFGHIJKL'

function fallbackWorld(conditions = new Map()) {
  const play = new ScriptedProvider('PLAY')
  const other = new ScriptedProvider('OTHER')
  play.asking = { fallback: 'OTHER' }
  other.asking = { fallback: 'PLAY', passParameters: ['login_hint'] }
  const world = worldOf([portalOf('home', [play, other], { conditions })])
  return { play, other, world, browser: new Browser(world) }
}
const down = () => new PosternError('provider-unavailable', 'connect ECONNREFUSED')
const start = `${home}${basePath}/start/PLAY?return=%2Fa&kept=${slot}&login_hint=a%40b&fresh=1`

describe('a provider that cannot be reached', () => {
  it('sends people straight to its fallback, with all they brought, and logs both', async () => {
    const { browser, play, other, world } = fallbackWorld()
    play.beginError = down()
    const to = locationOf(await browser.open(start))
    expect(to).toBe(`/_postern/start/OTHER?return=%2Fa&fresh=1&kept=${slot}&login_hint=a%40b&fell=1`)
    expect(locationOf(await browser.open(home + to))).toContain('https://idp.company.com')
    expect(other.starts).toMatchObject([{ loginHint: 'a@b', fresh: true }])
    expect(world.log.authentications.map(({ result, provider }) => `${provider} ${result}`)).toEqual([
      'PLAY Failure',
      'OTHER Redirection',
    ])
  })

  it('sends nobody round where both are down', async () => {
    const { browser, play, other } = fallbackWorld()
    play.beginError = down()
    other.beginError = down()
    const answer = await browser.open(home + locationOf(await browser.open(start)))
    expect(failureOf(answer)).toMatchObject({ status: 503, provider: 'OTHER', choices: [{ label: 'PLAY label' }] })
  })

  it('stays where the fallback may not be used, or something else is wrong', async () => {
    const closed = fallbackWorld(new Map([['OTHER', () => false]]))
    closed.play.beginError = down()
    expect(failureOf(await closed.browser.open(start))).toMatchObject({ status: 503, choices: [] })
    const { browser, play } = fallbackWorld()
    play.beginError = new PosternError('sign-in-failed', 'x')
    expect(failureOf(await browser.open(start)).reason).toBe('sign-in-failed')
  })
})
