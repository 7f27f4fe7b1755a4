// A platform engineer at work: Postern runs as a process of its own, people are refused and renamed, and everything is found out
// with the command line and the admin listener, as the guides say. `kill -9` comes in the middle.
import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { copyFile, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import type { Json } from '../../src/types.ts'
import { findRedis, type RedisServer, startRedis } from '../state/redis-server.ts'
import { type IdentityProvider, startIdentityProvider } from '../support/identity-provider.ts'
import { listenOnLoopback } from '../support/loopback.ts'
import { type MirrorPortal, startMirrorPortal, valuesOf } from '../support/mirror-portal.ts'
import { testKey } from '../support/postern.ts'
import { type Service, startService } from '../support/service.ts'
import { client, Somebody } from './promises/world.ts'

const program = join(import.meta.dirname, '../../src/main.ts')
const rules = join(import.meta.dirname, '../../rules')
const binary = findRedis()
const person = (email: string, group: string) => ({
  claims: { email, email_verified: true, groups: [group], dept: 'ops' } as Record<string, Json>,
})

describe.each(['a file', ...(binary === undefined ? [] : ['Redis'])])('whoever keeps accounts in %s', (kept) => {
  const accounts = {
    anna: person('anna@mycompany.com', 'staff'),
    bert: person('bert.secret@mycompany.com', 'users'),
    carl: person('carl@mycompany.com', 'staff'),
  }
  let folder: string
  let idp: IdentityProvider
  let portal: MirrorPortal
  let api: Service
  let redis: RedisServer | undefined
  let file: string
  let home: string
  let admin: string
  let serving: ChildProcess
  let log = ''

  async function serve(): Promise<void> {
    const from = log.length
    serving = spawn(process.execPath, [program, 'serve', '--config', file], { stdio: ['ignore', 'pipe', 'inherit'] })
    const { stdout } = serving
    stdout?.on('data', (chunk) => (log += chunk))
    while (!log.slice(from).includes('"listening"')) await once(stdout!, 'data')
  }
  async function crash(): Promise<void> {
    serving.kill('SIGKILL')
    await once(serving, 'exit')
    await redis?.kill()
    await redis?.start()
    await serve()
  }
  const postern = (...args: readonly string[]): Promise<{ readonly code: number; readonly out: string }> =>
    new Promise((done) => {
      execFile(process.execPath, [program, ...args], { cwd: folder }, (error, out, err) =>
        done({ code: error === null ? 0 : Number(error.code), out: out + err }),
      )
    })
  const open = (account: string) => new Somebody([idp, idp], {}, () => undefined).open(home, account)
  const accessLine = (id: string) =>
    vi.waitUntil(() => log.split('\n').find((line) => line.includes('"log":"access"') && line.includes(id)), 10_000)
  const accountSeen = () => valuesOf(portal.seen.at(-1)!, 'iv-user')[0]
  const page = async (path: string) => (await fetch(`${admin}${path}`, { headers: { accept: 'text/html' } })).text()

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'postern-people-'))
    await mkdir(join(folder, 'rules'))
    for (const name of ['staff-only.jsonata', 'staff-only.cases.yaml'])
      await copyFile(join(rules, name), join(folder, 'rules', name))
    const places = await Promise.all([1, 2].map(() => listenOnLoopback(() => undefined)))
    await Promise.all(places.map((place) => place.close()))
    const [port, adminPort] = places.map((place) => place.port)
    home = `http://home.localhost:${port}`
    admin = `http://127.0.0.1:${adminPort}`
    const redirect_uris = [`${home}/_postern/callback/PLAY`]
    idp = await startIdentityProvider({ clients: [{ client_id: 'postern', client_secret: 's3cret', redirect_uris }], accounts })
    portal = await startMirrorPortal()
    api = await startService()
    if (kept === 'Redis') redis = await startRedis(binary!, ['--appendonly', 'yes', '--appendfsync', 'always'])
    file = join(folder, 'postern.yaml')
    await writeFile(
      file,
      `rulesDir: rules
server: { listen: "127.0.0.1:${port}", health: "127.0.0.1:0", admin: "127.0.0.1:${adminPort}", publicUrl: "${home}", state: "${redis?.url ?? 'sqlite:state.db'}" }
session: { keys: [${testKey}] }
providers:
  - name: PLAY
    protocol: OIDC
    issuer: ${idp.issuer}
    ${client.replace(', ', '\n    ')}
    link: { first: email }
    profiles: [{ when: "true", attributes: { dept: dept }, provision: { url: "${api.url}/users/{account}", method: PUT, body: account } }]
portals: [{ name: home, host: home.localhost, upstream: "${portal.url}", providers: [PLAY], rules: [staff-only] }]
`,
    )
    await serve()
  })
  afterAll(async () => {
    serving?.kill('SIGKILL')
    await Promise.all([idp?.close(), portal?.close(), api?.close(), redis?.end()])
    await rm(folder, { recursive: true, force: true })
  })

  it('finds from the page of somebody refused to the log, the explanation, and a case without their name', async () => {
    const refused = await open('bert')
    const id = /Request ID:?\s*(?:<[^>]*>)*\s*([\w-]{36})/.exec(refused.body)?.[1] ?? ''
    expect([refused.status, JSON.parse((await accessLine(id)) ?? '{}')]).toMatchObject([
      403,
      { log: 'access', rule: 'staff-only' },
    ])

    const explained = await postern('explain', '--request', id, '--config', file)
    expect(explained.code).toBe(0)
    for (const told of ['DENY (rule-refused, 403)', 'NO    staff-only', '"staff" in groups  gives false', 'groups = ["users"]'])
      expect(explained.out).toContain(told)
    expect(await page('/explain')).toContain(`href="/explain?request=${id}"`)
    expect(await page(`/explain?request=${id}`)).toContain('groups = [&quot;users&quot;]')

    const recorded = await postern('rules', 'record', 'rules', '--request', id, '--config', file)
    expect([recorded.code, recorded.out.includes('groups: [ users ]'), recorded.out.includes('bert')]).toEqual([0, true, false])
    const tested = await postern('rules', 'test', 'rules')
    expect([tested.code, tested.out]).toEqual([0, expect.stringContaining('ok    staff-only  refused at home on ')])
  })

  it('loses no link by kill -9: a changed address keeps the account, a reused one inherits none, nobody is created twice', async () => {
    expect((await open('anna')).status).toBe(200)
    accounts.anna.claims['email'] = 'anna.miller@mycompany.com'
    accounts.carl.claims['email'] = 'anna@mycompany.com'
    const created = api.asked.length
    await crash()
    expect((await open('anna')).status).toBe(200)
    expect([accountSeen(), api.asked.length]).toEqual(['anna@mycompany.com', created])
    const refused = await open('carl')
    expect([refused.status, refused.body.includes('belongs to an account of somebody else')]).toEqual([403, true])
  })

  it('is told of a changed shape once', async () => {
    accounts.anna.claims['dept'] = 'sales'
    const created = api.asked.length
    await open('anna')
    await open('anna')
    expect(api.asked.slice(created).map(({ target }) => target)).toEqual(['/users/anna%40mycompany.com'])
  })

  it('lists the links of the running Postern, and removes one for the next person', async () => {
    const listed = await postern('links', 'list', '--account', 'anna@mycompany.com', '--config', file)
    expect([listed.code, listed.out.trim().split('\n').length]).toEqual([0, 1])
    expect(listed.out).toMatch(/anna@mycompany\.com {2}PLAY {2}\S+ anna {2}anna@mycompany\.com/)
    const [id = ''] = listed.out.split(' ')
    expect((await postern('links', 'remove', id, '--config', file)).code).toBe(0)
    expect((await postern('links', 'remove', id, '--config', file)).code).toBe(1)
    await crash()
    expect((await open('carl')).status).toBe(200)
    expect(accountSeen()).toBe('anna@mycompany.com')
  })
})
