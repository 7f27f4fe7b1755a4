// What the check lets pass, a start can use: claims' names and expressions.
import { describe, expect, it } from 'vitest'
import { compileOrRefuse } from '../../src/commands/compile-or-refuse.ts'
import { quietContext } from '../../src/commands/quiet-context.ts'
import { ConfigError } from '../../src/errors.ts'
import { load, minimal, problemsOf } from './configuration.ts'

const context = () => quietContext({}, () => 0)

const hub = `
  - name: HUB
    protocol: OAUTH2
    authorizationEndpoint: https://hub.company.com/authorize
    tokenEndpoint: https://hub.company.com/token
    userinfoEndpoint: https://hub.company.com/user
    clientId: portal
    accountAttribute: login
    KEY: VALUE
portals:`
const withKey = (key: string, value: string) =>
  key === 'subjectAttribute'
    ? minimal
        .replace('\nportals:', hub.replace('KEY', key).replace('VALUE', JSON.stringify(value)))
        .replace('[PLAY]', '[PLAY, HUB]')
    : minimal.replace('clientId: portal', `clientId: portal, ${key}: ${JSON.stringify(value)}`)

const good = ['email', 'preferred-username', 'https://company.com/account', 'cognito:groups', 'claims.a & "x"']
const bad = ['a (((', 'a.b-c:d', 'a +', 'a:', '$eval("1")', '1 2']

describe.each(['accountAttribute', 'groupsAttribute', 'subjectAttribute'])('%s', (key) => {
  it.each(good)('may be %s, and the start takes it', async (value) => {
    const loaded = await load(withKey(key, value))
    expect(loaded.warnings).toEqual([])
    await compileOrRefuse(loaded, context()).parts.generation.close()
  })

  it.each(bad)('may not be %s', async (value) => {
    const [problem, ...others] = await problemsOf(withKey(key, value))
    expect(others).toEqual([])
    expect(problem).toMatchObject({ severity: 'error', key: expect.stringMatching(`^providers\\[\\d\\]\\.${key}$`) })
  })

  it.each(bad)('may not come from a reference as %s, and is not shown', async (value) => {
    expect(await problemsOf(withKey(key, `\${env:CLAIM}`), { env: { CLAIM: value } })).toMatchObject([
      { message: 'holds what cannot be read as a claim or an expression', advice: 'write the name of a claim' },
    ])
    expect(await problemsOf(withKey(key, 'x ${env:CLAIM}'), { withoutSecrets: true })).toEqual([])
  })
})

describe('what only the start finds', () => {
  it("is the person's to mend, and nothing of it is shown", async () => {
    const loaded = await load(minimal)
    const spoiled = { ...loaded.config.providers[0], accountAttribute: 'canary (((' } as (typeof loaded.config.providers)[0]
    const start = () => compileOrRefuse({ ...loaded, config: { ...loaded.config, providers: [spoiled] } }, context())
    expect(start).toThrow(ConfigError)
    try {
      start()
    } catch (error) {
      const { problems, files } = error as ConfigError
      expect(problems).toMatchObject([
        { severity: 'error', message: expect.stringContaining('an expression in it cannot be used') },
      ])
      expect(files).toEqual(loaded.files)
      expect(JSON.stringify(problems)).not.toContain('canary')
    }
  })
})
