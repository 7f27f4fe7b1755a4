// Two replicas with one state: an account is set up once, whichever of them somebody comes to.
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { findRedis, type RedisServer, startRedis } from '../state/redis-server.ts'
import { type IdentityProvider, startIdentityProvider } from '../support/identity-provider.ts'
import { listenOnLoopback } from '../support/loopback.ts'
import { type MirrorPortal, startMirrorPortal } from '../support/mirror-portal.ts'
import { testKey } from '../support/postern.ts'
import { type Service, startService } from '../support/service.ts'
import { client, company, Somebody } from './promises/world.ts'

let folder: string
let idp: IdentityProvider
let portal: MirrorPortal
let api: Service
let redis: RedisServer | undefined
let ports: readonly number[]
const children: ChildProcess[] = []
const binary = findRedis()

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'postern-two-'))
  const places = await Promise.all([1, 2, 3, 4].map(() => listenOnLoopback(() => undefined)))
  await Promise.all(places.map((place) => place.close()))
  ports = places.map(({ port }) => port)
  const redirects = ports.map((port) => `http://home.localhost:${port}/_postern/callback/PLAY`)
  idp = await startIdentityProvider({
    clients: [{ client_id: 'postern', client_secret: 's3cret', redirect_uris: redirects }],
    accounts: company,
  })
  portal = await startMirrorPortal()
  api = await startService()
  redis = binary === undefined ? undefined : await startRedis(binary)
})
afterAll(async () => {
  for (const child of children) child.kill('SIGKILL')
  await Promise.all([idp?.close(), portal?.close(), api?.close(), redis?.end()])
  await rm(folder, { recursive: true, force: true })
})

async function startProcess(port: number, state: string): Promise<void> {
  const file = join(folder, `${port}.yaml`)
  await writeFile(
    file,
    `server: { listen: "127.0.0.1:${port}", health: "127.0.0.1:0", admin: "127.0.0.1:0", publicUrl: "http://home.localhost:${port}", state: "${state}" }
session: { keys: [${testKey}] }
providers:
  - name: PLAY
    protocol: OIDC
    issuer: ${idp.issuer}
    ${client.replace(', ', '\n    ')}
    profiles:
      - { when: "true", provision: { url: "${api.url}/users/{account}", body: "account", timeout: 20s } }
portals: [{ name: home, host: home.localhost, upstream: "${portal.url}", providers: [PLAY] }]
`,
  )
  const child = spawn(process.execPath, [join(import.meta.dirname, '../../src/main.ts'), 'serve', '--config', file], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  children.push(child)
  let said = ''
  child.stdout.on('data', (chunk) => (said += chunk))
  while (!said.includes('"listening"')) await once(child.stdout, 'data')
}

describe('two processes that share their state', () => {
  it.each([
    ['a file', () => `sqlite:${join(folder, 'state.db')}`, [0, 1]],
    ...(binary === undefined ? [] : [['Redis', () => redis?.url ?? '', [2, 3]] as const]),
  ] as const)('set an account up once: %s', async (_, state, [first, second]) => {
    const own = [ports[first] ?? 0, ports[second] ?? 0]
    for (const port of own) await startProcess(port, state())
    const since = api.asked.length
    // long enough for the other process to ask as well, if it did
    api.answer = () => new Promise((answer) => setTimeout(answer, 500, { status: 201 }))
    const pages = await Promise.all(
      own.map((port) => new Somebody([idp, idp], {}, () => undefined).open(`http://home.localhost:${port}/`, 'anna')),
    )
    expect(pages.map(({ status }) => status)).toEqual([200, 200])
    expect(api.asked.slice(since).map(({ target }) => target)).toEqual(['/users/anna%40mycompany.com'])
  })
})
