// `postern check` and `postern keygen`, as a person types them.
import { relative } from 'node:path'
import { describe, expect, it } from 'vitest'
import { check } from '../../src/commands/check.ts'
import { keygen } from '../../src/commands/keygen.ts'
import type { ProviderStatus } from '../../src/types.ts'
import { key, load, minimal, written } from './configuration.ts'

async function run(text: string, args: Partial<Parameters<typeof check>[0]> = {}) {
  const out: string[] = []
  const err: string[] = []
  const config = written({ 'postern.yaml': text })
  const code = await check(
    { config, online: false, withoutSecrets: false, env: {}, ...args },
    (line) => out.push(line),
    (line) => err.push(line),
  )
  return { code, err, out: out.map((line) => line.replaceAll(config, 'postern.yaml')) }
}

const alone =
  'note: who signs out or is revoked is remembered by one process only (session.store: cookie): run one replica, or write session.store: redis://HOST:6379'

describe('check', () => {
  it('is content with a good configuration, and says how much it saw', async () => {
    expect(await run(minimal)).toEqual({ code: 0, err: [], out: [alone, 'postern.yaml: fine (1 portal, 1 provider, 0 rules)'] })
  })

  it('shows warnings and is content', async () => {
    const { code, out } = await run(minimal.replace('https://home', 'http://home'))
    expect(code).toBe(0)
    expect(out).toEqual([
      'postern.yaml:2:22  server.publicUrl  warning: is plain http: sessions can be stolen on the way  → write https, also where TLS ends at the ingress',
      alone,
      'postern.yaml: fine, 1 warning (1 portal, 1 provider, 0 rules)',
    ])
  })

  it('ends with 1 where anything is wrong, with place, key, mistake and remedy', async () => {
    const { code, out } = await run(minimal.replace('upstream:', 'upstraem:'))
    expect(code).toBe(1)
    expect(out.at(-2)).toBe('postern.yaml:7:19  portals[0].upstraem  unknown key  → did you mean upstream?')
    expect(out.at(-1)).toBe('postern.yaml: 2 errors')
  })

  it('is silent about other processes where they hear of a sign-out', async () => {
    const withStore = async (store: string) => (await run(minimal.replace('session: {', `session: { store: "${store}",`))).out
    expect(await withStore('redis://127.0.0.1:6379')).toHaveLength(1)
    expect(await withStore('memory')).toEqual([expect.stringContaining('run one replica'), expect.stringContaining('fine')])
    expect((await run(minimal.replace('server: {', 'server: { state: "redis://127.0.0.1:6379",'))).out).not.toContain(alone)
  })

  it('asks the providers when online, and shows what they answer', async () => {
    const status: ProviderStatus = { state: 'ready', endpoints: { token: 'https://idp.company.com/token' } }
    const good = await run(minimal, { online: true, probe: async () => [{ provider: 'PLAY', ...status }] })
    expect(good).toMatchObject({
      code: 0,
      out: [alone, 'PLAY: ready', '  token  https://idp.company.com/token', 'postern.yaml: fine (1 portal, 1 provider, 0 rules)'],
    })
    const bad = await run(minimal, {
      online: true,
      probe: async () => [{ provider: 'PLAY', state: 'unavailable', detail: 'no answer' }],
    })
    expect(bad).toMatchObject({
      code: 1,
      out: [alone, 'PLAY: unavailable, no answer', 'postern.yaml: 1 provider unavailable (1 portal, 1 provider, 0 rules)'],
    })
  })

  it('asks nobody otherwise, nor where the configuration is wrong', async () => {
    const probe = () => Promise.reject(new Error('asked'))
    expect((await run(minimal, { probe })).code).toBe(0)
    expect((await run('', { online: true, probe })).code).toBe(1)
  })

  it('sees a list that is none also without the secrets, and a key of zeros with them', async () => {
    const text = minimal.replace(`[${key}]`, '"${env:KEY}"')
    const missing = await run(text, { withoutSecrets: true })
    expect([missing.code, missing.out[0]]).toEqual([1, expect.stringContaining('session.keys  must be a list  → write [')])
    expect((await run(minimal.replace(key, '"${env:KEY}"'), { withoutSecrets: true })).code).toBe(0)
    const zeros = await run(minimal.replace(key, '"${env:KEY}"'), { env: { KEY: `${'A'.repeat(42)}B` } })
    expect([zeros.code, zeros.out[0]]).toEqual([1, expect.stringContaining('session.keys[0]  is all zeros')])
  })

  it('says in which folder it looked for a file of a relative reference', async () => {
    const config = relative('.', written({ 'postern.yaml': minimal.replace(key, '"${file:../no/such}"') }))
    const { out } = await run('', { config })
    expect(out[0]).toMatch(/does not exist \(looked for in \/.+\/no\) {2}→ create it: postern keygen > .*no\/such, or check/)
  })

  it('cannot ask without the secrets', async () => {
    expect(await run(minimal, { online: true, withoutSecrets: true })).toMatchObject({
      code: 2,
      err: [expect.stringContaining('--online needs the secrets')],
    })
  })
})

describe('keygen', () => {
  const made = () => {
    const lines: string[] = []
    expect(keygen((line) => lines.push(line))).toBe(0)
    return lines
  }

  it('prints a key that the configuration takes', async () => {
    const [line = '', ...rest] = made()
    expect(rest).toEqual([])
    expect(line).toMatch(/^[A-Za-z0-9_-]{43}$/)
    expect((await load(minimal.replace(key, `"${line}"`))).config.session.keys).toEqual([line])
  })

  it('never prints the same twice', () => {
    expect(new Set(Array.from({ length: 50 }, () => made()[0])).size).toBe(50)
  })
})
