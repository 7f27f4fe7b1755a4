// `postern explain`: as a function, as a process, and through the admin listener of a running Postern; always the decision that
// serving makes.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { explainCommand } from '../../src/commands/explain.ts'
import type { Explanation } from '../../src/explanation/explanation.ts'
import { type MirrorPortal, type Seen, startMirrorPortal, valuesOf } from '../support/mirror-portal.ts'
import { type RunningPostern, startPostern, testKey } from '../support/postern.ts'
import { get, wire } from '../support/wire.ts'

const folder = mkdtempSync(join(tmpdir(), 'postern-explain-'))
const write = (name: string, text: string): string => {
  const file = join(folder, name)
  writeFileSync(file, text)
  return file
}
const adminToken = 'admin-token-of-this-test'
const clientSecret = 'client-secret-of-this-test'

const configuration = (upstream: string, server = '') => `
server:
  publicUrl: http://home.localhost
${server}
rulesDir: ${folder}
session: { keys: [${testKey}], claims: [email, hd, email_verified] }
providers:
  - { name: webseal, protocol: WEBSEAL, trustedSourceIps: [127.0.0.1] }
  - { name: PLAY, protocol: OIDC, issuer: "https://idp.company.com", clientId: x, clientSecret: ${clientSecret}, requireVerifiedEmail: true, rules: [{ name: company, when: "hd = 'company.com'", message: "For our company." }] }
  - { name: git, protocol: OAUTH2, authorizationEndpoint: "https://git.company.com/a", tokenEndpoint: "https://git.company.com/t", userinfoEndpoint: "https://git.company.com/u", clientId: x, clientSecret: ${clientSecret}, subjectAttribute: id, accountAttribute: login }
  - { name: FIDO, protocol: OIDC, issuer: "https://fido.company.com", clientId: x, clientSecret: ${clientSecret} }
portals:
  - name: home
    host: home.localhost
    upstream: "${upstream}"
    providers: [webseal]
    rules: [{ name: not-mallory, when: account != "mallory" }]
    headers: { iv-user: account, iv-groups: groups, x-odd: "'odd' in groups ? {'a': 1} : null" }
    routes:
      - { path: /public/**, access: public }
      - { path: /off/**, access: blocked, message: "Switched off." }
      - { path: /maybe/**, access: optional }
      - { path: /admin/**, rules: [admins] }
      - { path: /fails/**, rules: [{ name: fails, when: "$number(account) = 1" }] }
      - { path: /query/**, rules: [{ name: by-query, when: "request.query = 'open'" }] }
      - { path: /post, methods: [POST], rules: [admins] }
  - name: work
    host: work.localhost
    upstream: "${upstream}"
    providers: [PLAY, { name: FIDO, after: PLAY, when: "request.path = '/strong'" }]
    routes:
      - { path: /admin/**, rules: [admins] }
      - { path: /fresh, reauthenticate: 15m }
      - { path: /floor, rules: [{ name: floor, when: floor = 3 }] }
  - { name: code, host: code.localhost, upstream: "${upstream}", providers: [git] }
`

let portal: MirrorPortal
let postern: RunningPostern
let config: string

beforeAll(async () => {
  write(
    'admins.jsonata',
    '/** message: Only administrators. */\n"admins" in groups\n  and (request.method = "GET" or "writers" in groups)\n',
  )
  write(
    'admins.cases.yaml',
    '- { name: admin, facts: { groups: [admins] }, expect: allow }\n- { name: nobody, facts: {}, expect: deny }\n',
  )
  portal = await startMirrorPortal()
  postern = await startPostern({ configuration: configuration(portal.url, `  adminToken: ${adminToken}`) })
  config = write(
    'postern.yaml',
    configuration(portal.url, `  adminToken: ${adminToken}\n  admin: ${new URL(postern.adminUrl).host}`),
  )
})
afterAll(async () => {
  await postern.stop()
  await portal.close()
  rmSync(folder, { recursive: true, force: true })
})

async function run(asked: Parameters<typeof explainCommand>[0]['asked'], json = true) {
  const out: string[] = []
  const err: string[] = []
  const code = await explainCommand(
    { config, json, env: {}, clock: () => Date.parse('2026-11-02T09:00:00Z'), asked },
    (line) => out.push(line),
    (line) => err.push(line),
  )
  return {
    code,
    out: out.join('\n'),
    err: err.join('\n'),
    said: (json && code === 0 ? JSON.parse(out.join('\n')) : {}) as Explanation,
  }
}
const claims = (value: object) => write('claims.json', JSON.stringify(value))
const ann = { sub: '1', email: 'ann@company.com', hd: 'company.com', email_verified: true, groups: ['staff'] }

const admin = (query: string, headers: Record<string, string> = {}) =>
  fetch(`${postern.adminUrl}/explain${query}`, { headers: { authorization: `Bearer ${adminToken}`, ...headers } })

describe('postern explain', () => {
  it('names the rule that refuses, its place, the part that decided, and what it read', async () => {
    const { code, said } = await run({ portal: 'work', path: '/admin/x', claims: claims(ann) })
    expect(code).toBe(0)
    expect(said).toMatchObject({
      decision: 'deny',
      reason: 'rule-refused',
      status: 403,
      message: 'Only administrators.',
      portal: { name: 'work' },
      route: { path: '/admin/**', access: 'authenticated' },
      person: { account: 'ann@company.com', provider: 'PLAY', groups: ['staff'] },
      headers: [],
    })
    expect(said.rules).toMatchObject([
      { name: 'company', of: 'provider', result: 'allows', value: true, file: config, facts: { hd: 'company.com' } },
      {
        name: 'admins',
        of: 'route',
        result: 'refuses',
        value: false,
        file: join(folder, 'admins.jsonata'),
        line: 1,
        message: 'Only administrators.',
        facts: { groups: ['staff'], 'request.method': 'GET' },
        decidedBy: [{ source: '"admins" in groups', line: 2, value: false }],
      },
    ])
  })
  it('shows every operand of an `or` that did not hold', async () => {
    const { said } = await run({
      portal: 'home',
      path: '/post',
      method: 'post',
      claims: claims({ 'iv-user': 'ann', 'iv-groups': ['admins'] }),
    })
    expect(said.rules[1]?.decidedBy).toEqual([
      { source: 'request.method = "GET"', line: 3, value: false },
      { source: '"writers" in groups', line: 3, value: false },
    ])
  })
  it('shows the headers the portal would get', async () => {
    const { said } = await run({
      portal: 'home',
      path: '/admin/x',
      claims: claims({ 'iv-user': 'Jürgen', 'iv-groups': ['admins', 'a b'] }),
    })
    expect(said).toMatchObject({ decision: 'allow', reason: 'allowed' })
    expect(said.headers).toEqual([
      { name: 'iv-user', value: 'J%C3%BCrgen' },
      { name: 'iv-groups', value: '"admins","a%20b"' },
    ])
  })
  it('applies the checks of a sign-in: verified e-mail, the account, claims that a session does not keep', async () => {
    const asking = (value: object) => run({ portal: 'work', path: '/x', claims: claims(value) }).then(({ said }) => said)
    expect(await asking({ ...ann, email_verified: false })).toMatchObject({ decision: 'deny', reason: 'email-not-verified' })
    expect(await asking({ sub: '1', hd: 'company.com', email_verified: true })).toMatchObject({
      decision: 'deny',
      reason: 'account-missing',
    })
    expect(await asking({ ...ann, hd: 'evil.com' })).toMatchObject({
      decision: 'deny',
      reason: 'rule-refused',
      message: 'For our company.',
    })
    expect(await asking({ sub: '1', email: ann.email, hd: ann.hd })).toMatchObject({ reason: 'email-not-verified' })
    expect(await asking(ann)).toMatchObject({ decision: 'allow' })
    const { said } = await run({ portal: 'work', path: '/floor', claims: claims({ ...ann, floor: 3 }) })
    expect(said).toMatchObject({ decision: 'deny', rules: [{}, { name: 'floor', result: 'refuses', missing: ['floor'] }] })
  })
  it('knows people of a provider without an ID token by their userinfo', async () => {
    const asking = (value: object) => run({ portal: 'code', path: '/x', claims: claims(value) }).then(({ said }) => said)
    expect(await asking({ id: 7, login: 'ann' })).toMatchObject({
      decision: 'allow',
      person: { provider: 'git', account: 'ann' },
    })
    expect(await asking({ login: 'ann' })).toMatchObject({ decision: 'deny', reason: 'sign-in-failed' })
  })
  it('without claims it is nobody, and the rules are named but not asked', async () => {
    const { said } = await run({ portal: 'work', path: '/admin/x' })
    expect(said).toMatchObject({
      decision: 'challenge',
      reason: 'sign-in-needed',
      status: 302,
      rules: [{ name: 'admins', result: 'not asked' }],
    })
    expect(said.person).toBeUndefined()
  })
  it('tells the age of a sign-in, and a second factor that is needed', async () => {
    const at = '2026-11-02T10:00:00Z'
    const old = claims({ ...ann, auth_time: Date.parse(at) / 1000 - 3600 })
    expect((await run({ portal: 'work', path: '/fresh', claims: old, at })).said).toMatchObject({
      decision: 'challenge',
      reason: 'sign-in-not-fresh',
      freshness: { reauthenticate: '900s', holds: false },
    })
    expect((await run({ portal: 'work', path: '/strong', claims: old, at })).said).toMatchObject({
      reason: 'second-factor-needed',
      secondFactors: [{ provider: 'FIDO', needed: true }],
    })
    expect((await run({ portal: 'work', path: '/x', claims: old, at })).said).toMatchObject({
      decision: 'allow',
      secondFactors: [{ provider: 'FIDO', needed: false }],
    })
  })
  it('is text for people, in which what others wrote moves no cursor', async () => {
    const odd = claims({ ...ann, groups: ['\u001b[2Jred', '\u009b2J'] })
    const { code, out } = await run({ portal: 'work', path: '/admin/x', claims: odd }, false)
    expect(code).toBe(0)
    expect(out).toContain('GET /admin/x: DENY (rule-refused, 403)')
    expect(out).toContain('"admins" in groups  gives false  (line 2)')
    expect(out).toContain('the portal gets nothing')
    expect(out).not.toMatch(/[\u0000-\u0009\u000b-\u001f\u007f-\u009f]/)
  })
  it.each([
    [{ portal: 'nowhere', path: '/' }, 'there is no portal of this name'],
    [{ portal: 'work', path: 'x' }, 'a path begins with /'],
    [{ portal: 'work', path: '/', at: 'tomorrow' }, 'this is no time'],
    [{ portal: 'work', path: '/', at: '2026-02-31T00:00:00Z' }, 'this is no time'],
    [{ portal: 'work', path: '/', clientIp: '10.0.0' }, 'this is no client address'],
    [{ portal: 'work', path: '/', claims: '/nonexistent/claims.json' }, 'cannot be read'],
    [{ portal: 'work', path: '/', provider: 'PLAY' }, 'a provider without claims'],
  ])('%j ends with 1 and says what to write', async (asked, message) => {
    const { code, err, out } = await run(asked)
    expect([code, out]).toEqual([1, ''])
    expect(err).toContain(message)
    expect(err).toContain('→')
  })
  it('repeats nothing of claims it cannot read, and takes no provider that the portal does not have', async () => {
    for (const text of ['[1, "SECRET"]', '{ SECRET: ', 'SECRET']) {
      const { code, err } = await run({ portal: 'work', path: '/', claims: write('bad.json', text) })
      expect([code, err.includes('SECRET')]).toEqual([1, false])
    }
    expect((await run({ portal: 'work', path: '/', provider: 'webseal', claims: claims(ann) })).err).toContain(
      'write one of PLAY',
    )
  })
})

async function spawned(...args: string[]) {
  const child = spawn(process.execPath, [join(import.meta.dirname, '../../src/main.ts'), 'explain', ...args])
  let out = ''
  let err = ''
  child.stdout.on('data', (chunk) => (out += chunk))
  child.stderr.on('data', (chunk) => (err += chunk))
  const [code] = await once(child, 'close')
  return { code: code as number, out, err }
}

describe('the process', () => {
  it('prints JSON and ends with 0 whatever the decision', async () => {
    const { code, out } = await spawned(
      '--portal',
      'work',
      '--path',
      '/admin/x',
      '--claims',
      claims(ann),
      '--json',
      '--config',
      config,
    )
    expect([code, JSON.parse(out).decision]).toEqual([0, 'deny'])
  })
  it('ends with 2 for wrong usage, with 1 for a portal that is none', async () => {
    expect((await spawned('--portal', 'work')).code).toBe(2)
    expect((await spawned('--request', 'x', '--path', '/')).code).toBe(2)
    const { code, out, err } = await spawned('--portal', 'nowhere', '--path', '/', '--config', config)
    expect([code, out]).toEqual([1, ''])
    expect(err).not.toMatch(/node_modules|at .*\.ts/)
  })
  it('asks the running Postern for a refusal', async () => {
    await wire(postern.port, get('/admin/x', ['iv-user: anna']))
    const { code, out } = await spawned('--request', newest(), '--config', config)
    expect(code).toBe(0)
    expect(out).toContain('"admins" in groups  gives false')
    expect(out).toContain(newest())
  })
})

const newest = (): string => String(postern.logs.filter(({ log }) => log === 'access').at(-1)?.['id'])
async function refusalOf(bytes: string): Promise<Explanation> {
  await wire(postern.port, bytes)
  return (await (await admin(`?request=${newest()}`)).json()) as Explanation
}

describe('a refusal of the running Postern', () => {
  it('is explained by its request id', async () => {
    expect(await refusalOf(get('/admin/x', ['iv-user: anna', 'iv-groups: "staff"']))).toMatchObject({
      decision: 'deny',
      reason: 'rule-refused',
      request: { id: newest(), path: '/admin/x', clientIp: '127.0.0.1' },
      person: { account: 'anna' },
      rules: [
        { name: 'not-mallory', result: 'allows' },
        { name: 'admins', result: 'refuses', facts: { groups: ['staff'] } },
      ],
    })
  })
  it('is kept for rules that fail, headers that fail, blocked routes and paths that are none', async () => {
    expect(await refusalOf(get('/fails/x', ['iv-user: anna']))).toMatchObject({
      reason: 'rule-failed',
      rules: [{}, { result: 'fails' }],
    })
    expect(await refusalOf(get('/x', ['iv-user: anna', 'iv-groups: "odd"']))).toMatchObject({
      reason: 'header-failed',
      status: 500,
    })
    expect(await refusalOf(get('/off/x', ['iv-user: anna']))).toMatchObject({ reason: 'route-blocked', message: 'Switched off.' })
    expect(await refusalOf(get('/a;b/x', []))).toMatchObject({ reason: 'path-refused' })
  })
  it('holds no query, cookie, token or header', async () => {
    const secret = 'SECRET-OF-A-REQUEST'
    const said = await refusalOf(
      get(`/query/x?token=${secret}`, [
        'iv-user: anna',
        `Cookie: a=${secret}`,
        `Authorization: Bearer ${secret}`,
        `X-Api-Key: ${secret}`,
      ]),
    )
    expect(said).toMatchObject({
      reason: 'rule-refused',
      rules: [{}, { name: 'by-query', result: 'not asked', detail: expect.stringContaining('not kept') }],
    })
    const all =
      JSON.stringify(said) +
      (await (await admin('')).text()) +
      (await (await admin(`?request=${newest()}`, { accept: 'text/html' })).text())
    for (const hidden of [secret, testKey, adminToken, clientSecret]) expect(all).not.toContain(hidden)
  })
  it('is not kept where nobody was refused', async () => {
    await wire(postern.port, get('/x', ['iv-user: anna']))
    expect((await admin(`?request=${newest()}`)).status).toBe(404)
    const { code, err } = await run({ request: newest() })
    expect(code).toBe(1)
    expect(err).toContain('no refusal with this request id')
  })
  it('outlives a reload, and says so', async () => {
    await wire(postern.port, get('/admin/x', ['iv-user: anna']))
    const id = newest()
    expect(await postern.reload()).toBe(true)
    expect(((await (await admin(`?request=${id}`)).json()) as Explanation).notes.join()).toContain('has changed since')
  })
  it('cannot be asked for without the token', async () => {
    expect((await fetch(`${postern.adminUrl}/explain?request=${newest()}`)).status).toBe(401)
    const wrong = write(
      'wrong.yaml',
      configuration(portal.url, `  adminToken: another-token-than-that\n  admin: ${new URL(postern.adminUrl).host}`),
    )
    const err: string[] = []
    const args = { config: wrong, json: true, env: {}, clock: Date.now, asked: { request: 'x' } }
    expect(
      await explainCommand(
        args,
        () => undefined,
        (line) => err.push(line),
      ),
    ).toBe(1)
    expect(err.join()).toContain('server.adminToken')
    expect(err.join()).not.toContain('another-token')
  })
})

describe('the page of the admin listener', () => {
  it('escapes what others wrote and runs nothing', async () => {
    const evil = '<script>alert(1)</script>'
    const query = new URLSearchParams({
      portal: 'home',
      path: '/admin/x',
      claims: JSON.stringify({ 'iv-user': evil, 'iv-groups': [evil] }),
    })
    const answer = await admin(`?${query}`, { accept: 'text/html' })
    const text = await answer.text()
    expect(answer.headers.get('content-type')).toBe('text/html; charset=utf-8')
    expect(answer.headers.get('content-security-policy')).toBe(
      "default-src 'none'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'",
    )
    expect(text).toContain('&lt;script&gt;')
    expect(text).not.toContain('<script')
    expect(text).toContain('admins: refuses')
  })
  it('lists recent refusals and takes questions; a wrong one is 400', async () => {
    await wire(postern.port, get('/admin/listed', ['iv-user: anna']))
    const text = await (await admin('', { accept: 'text/html' })).text()
    expect(text).toContain(`/explain?request=${newest()}`)
    expect(text).toContain('<form action="/explain" method="get">')
    for (const accept of ['text/html', 'application/json'])
      expect((await admin('?portal=nowhere&path=/', { accept })).status).toBe(400)
    expect((await admin('?portal=home&path=/&claims=%7B', {})).status).toBe(400)
  })
})

describe('explain and serving', () => {
  it('decide alike, with the same headers', async () => {
    const path = fc.constantFrom(
      '/',
      '/x',
      '/public/a',
      '/off/a',
      '/maybe/a',
      '/admin/a',
      '/admin',
      '/fails/1',
      '/query/a?open',
      '/query/a?shut',
      '/post',
      '/a;b',
      '/_postern/nothing',
    )
    const user = fc.constantFrom('anna', 'mallory', '1', 'Unauthenticated', '', 'o%27hara')
    const groups = fc.subarray(['admins', 'writers', 'odd', 'a b'])
    await fc.assert(
      fc.asyncProperty(path, user, groups, fc.constantFrom('GET', 'POST', 'DELETE'), async (target, name, list, method) => {
        const query = new URLSearchParams({
          portal: 'home',
          path: target,
          method,
          'client-ip': '127.0.0.1',
          claims: JSON.stringify({ 'iv-user': name, 'iv-groups': list }),
        })
        const said = (await (await admin(`?${query}`)).json()) as Explanation
        const lines = ['Accept: text/html', `iv-user: ${name}`, `iv-groups: ${list.map((one) => `"${one}"`).join(',')}`]
        const body = method === 'POST' ? ['Content-Length: 0'] : []
        const served = await wire(postern.port, get(target, [...lines, ...body]).replace(/^GET/, method))
        const access = postern.logs.filter(({ log }) => log === 'access').at(-1)
        expect([target, name, list, method, said.decision]).toEqual([
          target,
          name,
          list,
          method,
          access?.['decision'] === 'fail' ? 'deny' : access?.['decision'],
        ])
        if (said.decision === 'own') return
        expect(said.reason).toBe(access?.['reason'])
        if (said.decision !== 'allow') {
          expect(said.status).toBe(served.status)
          return
        }
        const seen = JSON.parse(served.body) as Seen
        for (const header of ['iv-user', 'iv-groups', 'x-odd'])
          expect(valuesOf(seen, header)).toEqual(said.headers.flatMap((one) => (one.name === header ? [one.value] : [])))
      }),
      { numRuns: 150 },
    )
  })
})
