// What a configuration says of post-login actions, profiles and links, as the program gets it.
import { dirname, join, resolve } from 'node:path'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { loadConfig } from '../../src/config/load.ts'
import type { OidcConfig } from '../../src/config/schema.ts'
import { compileExpression } from '../../src/expression/compile.ts'
import { parseTemplate } from '../../src/expression/template.ts'
import { load, minimal, problemsOf, written } from './configuration.ts'

/** `minimal` with further keys at its provider, in JSON. */
const withKeys = (keys: object): string =>
  minimal.replace('clientId: portal', `clientId: portal, ${JSON.stringify(keys).slice(1, -1)}`)
const withState = (text: string, state: string): string => text.replace('server: {', `server: { state: "${state}",`)
async function provider(keys: object, env: Readonly<Record<string, string>> = {}): Promise<OidcConfig> {
  const { config } = await load(withState(withKeys(keys), 'sqlite:state.db'), { env })
  return config.providers[0] as OidcConfig
}
const url = 'https://api.company.com/people/{claims.sub}'

describe('post-login actions, profiles and links', () => {
  it('are not there unless they are written: none of them refuses anybody', async () => {
    const { postLogin, profiles, link } = (await load(minimal)).config.providers[0] as OidcConfig
    expect([postLogin, profiles, link]).toEqual([[], undefined, undefined])
  })

  it('have their defaults', async () => {
    const keys = { postLogin: [{ call: { url } }], profiles: [{ when: 'true', provision: { url } }], link: { first: 'email' } }
    expect(await provider(keys)).toMatchObject({
      postLogin: [{ name: '1', call: { url, method: 'GET', headers: {} }, set: {}, onError: 'deny', timeout: 5000 }],
      profiles: [{ name: '1', when: 'true', attributes: {}, provision: { url, method: 'POST', headers: {}, timeout: 10_000 } }],
      link: { first: 'email', verified: true },
    })
  })

  it('send what has a body by POST, and are called by name or place', async () => {
    const keys = {
      postLogin: [{ name: 'look-up', call: { url, body: 'claims' } }, { call: { url, method: 'PUT', body: 'claims' } }],
    }
    expect((await provider(keys)).postLogin).toMatchObject([
      { name: 'look-up', call: { method: 'POST' } },
      { name: '2', call: { method: 'PUT' } },
    ])
  })

  it('keep an empty list of profiles apart from none', async () => {
    expect((await load(withKeys({ profiles: [] }))).config.providers[0]).toMatchObject({ profiles: [] })
    expect(await problemsOf(withKeys({ profiles: [] }))).toMatchObject([{ severity: 'warning' }])
  })

  it('leave a disabled provider alone that lacks its state', async () => {
    const beside = minimal.replace(
      'portals:',
      '  - { name: LATER, protocol: OIDC, enabled: false, link: { first: email } }\nportals:',
    )
    expect(await problemsOf(beside)).toEqual([])
  })
})

describe('a reference in a call', () => {
  const spoilt = `"}' {claims.email} \\u0022 & token`

  it('stands for itself between holes', async () => {
    const postLogin = [{ call: { url, headers: { authorization: 'Bearer ${env:KEY} {token.access}' } } }]
    const parts = parseTemplate((await provider({ postLogin }, { KEY: spoilt })).postLogin[0]?.call.headers.authorization ?? '')
    expect(parts).toMatchObject([{ text: `Bearer ${spoilt} ` }, { source: 'token.access' }])
  })

  it.each(['"', "'"])('stands for itself between the quotes %s of a body, whatever it holds', async (quote) => {
    const body = `{"key": ${quote}\${env:KEY}${quote}}`
    for (const KEY of [spoilt, ...fc.sample(fc.string({ unit: 'binary', minLength: 1 }), 20)]) {
      const source = (await provider({ postLogin: [{ call: { url, body } }] }, { KEY })).postLogin[0]?.call.body ?? ''
      expect(await compileExpression(source, 'value').evaluate({})).toEqual({ key: KEY })
    }
  })

  it.each([
    ['url', 'https://api.company.com/{${env:KEY}}'],
    ['url', 'https://api.company.com/{"${env:KEY}"}'],
    ['body', '{"key": ${env:KEY}}'],
    ['body', '${env:KEY}'],
  ])('is refused inside the expression of a %s: %s', async (key, value) => {
    const problems = await problemsOf(withKeys({ postLogin: [{ call: { url, [key]: value } }] }), { env: { KEY: 'claims' } })
    expect(problems).toMatchObject([{ severity: 'error', key: `providers[0].postLogin[0].call.${key}` }])
    expect(problems[0]?.message).toContain('references are not expanded')
  })

  it.each([{ account: '"${env:KEY}"' }, { groups: '"${env:KEY}"' }, { attributes: { a: '"${env:KEY}"' } }])(
    'is refused in the shape of a profile: %j',
    async (shape) => {
      const text = withKeys({ profiles: [{ when: 'true', ...shape }] })
      expect(await problemsOf(text, { env: { KEY: 'canary' } })).toMatchObject([
        { severity: 'error', message: 'references are not expanded in rules and expressions' },
      ])
    },
  )

  it('is never quoted by a complaint about what stands around it', async () => {
    const call = {
      url: 'https://api.company.com/${env:KEY}/{claims.',
      headers: { x: '${env:KEY}{a +}' },
      body: '("${env:KEY}" +',
    }
    const problems = await problemsOf(withKeys({ postLogin: [{ call }] }), { env: { KEY: 'canary' } })
    expect(problems.map(({ key }) => key.split('.').at(-1)).sort()).toEqual(['body', 'url', 'x'])
    expect(JSON.stringify(problems)).not.toContain('canary')
  })

  it('may hold the whole host: it is the operator who writes it', async () => {
    const postLogin = [{ call: { url: '${env:API}/people/{claims.sub}' } }]
    const API = 'https://api.company.com'
    expect((await provider({ postLogin }, { API })).postLogin[0]?.call.url).toBe(url)
    expect(await problemsOf(withKeys({ postLogin }), { withoutSecrets: true })).toEqual([])
    expect(await problemsOf(withKeys({ postLogin }), { env: { API: 'https://{claims.host}' } })).toMatchObject([
      { severity: 'error', key: 'providers[0].postLogin[0].call.url' },
    ])
  })
})

describe('where a call goes', () => {
  it.each([
    'http://localhost:8080/{token.access}',
    'http://127.0.0.1/?a={token.access}',
    'https://api.company.com/{token.access}',
    'https://api.company.com',
    'https://api.company.com:8443/a?b={claims.c}&d={"{" & claims.e}',
  ])('may be %s', async (address) => {
    expect(await problemsOf(withKeys({ postLogin: [{ call: { url: address } }] }))).toEqual([])
  })

  it.each([
    'https://{claims.host}/',
    'https://a.{claims.host}/',
    'https://api.company.com:{claims.port}/',
    'https://api.company.com{claims.rest}',
    '{claims.scheme}://api.company.com/',
    'https:{claims.rest}',
    'http{claims.s}://api.company.com/',
    'https://somebody@api.company.com/',
    'https:\\\\api.company.com/',
    'api.company.com/{claims.sub}',
    '//api.company.com/{claims.sub}',
    'file:///etc/passwd',
    'http://api.company.com/{token.access}',
  ])('may not be %s', async (address) => {
    const problems = await problemsOf(withKeys({ postLogin: [{ call: { url: address } }] }))
    expect(problems).toMatchObject([{ severity: 'error', key: 'providers[0].postLogin[0].call.url' }])
  })
})

describe('server.state', () => {
  it('names a file seen from the configuration', async () => {
    const file = written({ 'postern.yaml': withState(withKeys({ link: { first: 'email' } }), 'sqlite:data/state.db') })
    const { config } = await loadConfig(file, { env: {} })
    expect(config.server.state).toBe(`sqlite:${join(resolve(dirname(file)), 'data/state.db')}`)
  })

  it.each(['sqlite:/var/lib/postern/state.db', 'redis://redis:6379', 'rediss://user:secret@redis/2'])(
    'may be %s',
    async (state) => {
      const { config } = await load(withState(withKeys({ link: { first: 'email' } }), state))
      expect(config.server.state).toBe(state)
    },
  )

  it.each(['sqlite:', 'sqlite://state.db', 'state.db', 'redis:', 'https://redis', 'memory'])('may not be %s', async (state) => {
    const problems = await problemsOf(withState(withKeys({ link: { first: 'email' } }), state))
    expect(problems).toMatchObject([{ severity: 'error', key: 'server.state' }])
  })

  it('may come from a reference that is not resolved', async () => {
    const text = withState(withKeys({ link: { first: 'email' } }), '${env:STATE}')
    expect(await problemsOf(text, { withoutSecrets: true })).toEqual([])
  })
})
