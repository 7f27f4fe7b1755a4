// Memory per session, where the server keeps them: RSS of a process with the memory store, `used_memory` of a Redis of its own.
// `node --expose-gc test/bench/sessions.ts [--sessions N]` (default 100000). A session as an OpenID provider makes one: a dozen
// claims, thirty groups, an ID token kept for the sign-out.
import { execFileSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { parseArgs } from 'node:util'
import { createSealer } from '../../src/identity/sessions/seal.ts'
import type { SessionRecord, SessionStore } from '../../src/identity/sessions/session-store.ts'
import { createMemorySessions, createMemoryStore } from '../../src/identity/sessions/stores/memory.ts'
import { createRedisStore } from '../../src/identity/sessions/stores/redis.ts'
import { connectRedis } from '../../src/state/redis-connection.ts'
import { startRedis } from '../support/redis.ts'

const { values } = parseArgs({ options: { sessions: { type: 'string', default: '100000' }, store: { type: 'string' } } })
const count = Number(values.sessions)
const sealer = createSealer([randomBytes(32).toString('base64url')])
const now = Date.now()

function recordOf(at: number): SessionRecord {
  const subject = randomBytes(16).toString('hex')
  const account = `person.${at}@company.com`
  const groups = Array.from({ length: 30 }, (_, group) => `department-${(at + group) % 500}`)
  const claims = {
    sub: subject,
    email: account,
    name: `Person Number ${at}`,
    given_name: 'Person',
    family_name: `${at}`,
    locale: 'en',
  }
  return {
    id: randomBytes(18).toString('base64url'),
    audience: 'home',
    identity: {
      provider: 'OIDC',
      issuer: 'https://idp.company.com/realms/company',
      subject,
      account,
      groups,
      claims: { ...claims, groups, sid: randomBytes(16).toString('hex'), auth_time: Math.floor(now / 1000), acr: '1' },
      authenticatedAt: now,
    },
    createdAt: now,
    touchedAt: now,
    endsAt: now + 8 * 3_600_000,
    revision: 0,
    keep: { idToken: randomBytes(600).toString('base64url') },
    providerSession: randomBytes(16).toString('base64url'),
  }
}

async function fill(store: SessionStore): Promise<void> {
  for (let from = 0; from < count; from += 500) {
    const batch = Array.from({ length: Math.min(500, count - from) }, (_, at) => recordOf(from + at))
    await Promise.all(batch.map((record) => store.create(record, now + 1_800_000, 3)))
  }
}

const settled = (): number => {
  for (let round = 0; round < 3; round++) globalThis.gc?.()
  return process.memoryUsage().rss
}
const tell = (name: string, bytes: number) =>
  console.log(`${name}: ${(bytes / 1024 / 1024).toFixed(0)} MiB for ${count} sessions, ${Math.round(bytes / count)} bytes each`)

async function measureMemory(): Promise<void> {
  const sessions = createMemorySessions()
  const store = createMemoryStore({ sessions, sealer, clock: Date.now })
  recordOf(0)
  const before = settled()
  await fill(store)
  tell('memory (RSS)', settled() - before)
  if (sessions.byId.size !== count) throw new Error('sessions are missing')
}

async function measureRedis(): Promise<void> {
  const server = await startRedis()
  const connection = connectRedis(server.url, { log: { server: console.error }, name: 'session store' })
  const used = async () => Number(/used_memory:(\d+)/.exec(await connection.ask((redis) => redis.info('memory')))?.[1])
  const before = await used()
  await fill(createRedisStore({ connection, sealer, clock: Date.now, staleness: 5000 }))
  tell('redis (used_memory)', (await used()) - before)
  connection.close()
  await server.close()
}

if (values.store === 'memory') await measureMemory()
else if (values.store === 'redis') await measureRedis()
else
  for (const store of ['memory', 'redis'])
    execFileSync(process.execPath, ['--expose-gc', import.meta.filename, '--store', store, '--sessions', String(count)], {
      stdio: 'inherit',
    })
