// An account that stands in the portal before its person arrives: told once, by one, and again when it has changed.
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { PosternError } from '../../../src/errors.ts'
import { factsOf } from '../../../src/facts.ts'
import { createOutboundCall } from '../../../src/identity/accounts/outbound-call.ts'
import { createProvisioning, provisioningFailures } from '../../../src/identity/accounts/provisioning.ts'
import { createMemoryState } from '../../../src/state/memory.ts'
import type { StateStore } from '../../../src/state.ts'
import type { Identity } from '../../../src/types.ts'
import { type Service, startService } from '../../support/service.ts'
import { identityOf, noon, requestOf, TestClock, TestLog } from '../harness.ts'

let service: Service
let clock: TestClock
let log: TestLog
let store: StateStore
beforeAll(async () => {
  service = await startService()
})
beforeEach(() => {
  service.answer = () => ({ status: 201 })
  clock = new TestClock()
  log = new TestLog()
  store = createMemoryState({ clock: clock.read })
})
afterAll(() => service.close())

const shaped = (extra: Partial<Identity> = {}, attributes: Identity['claims'] = { unit: 'ops' }): Identity =>
  identityOf('anna', { profile: { name: 'staff', attributes }, ...extra })
/** As one process of several. */
const pod = () => createProvisioning({ store, clock: clock.read, log })
async function ensure(
  identity = shaped(),
  { portal = 'home', timeout = 5000, body = '{ "user": account, "unit": profile.unit }', from = pod() } = {},
) {
  const call = createOutboundCall({ url: `${service.url}/users/{account}`, method: 'PUT', headers: { 'x-key': 's3cret' }, body })
  try {
    await from.ensure({ portal, identity, facts: factsOf(identity, requestOf(), portal, noon), call, timeout })
  } finally {
    await call.close()
  }
}
const asked = (since: number) => service.asked.slice(since)
const keys = (since: number) => asked(since).map(({ headers }) => headers['idempotency-key'])

describe('provisioning', () => {
  it('tells the portal once per account and shape', async () => {
    const since = service.asked.length
    await ensure()
    await ensure()
    await ensure(shaped({ groups: ['staff', 'staff'], authenticatedAt: noon }))
    expect(asked(since)).toMatchObject([
      { method: 'PUT', target: '/users/anna%40company.com', body: '{"user":"anna@company.com","unit":"ops"}' },
    ])
    expect(keys(since)).toEqual([expect.stringMatching(/^[\w-]{43}$/)])
  })

  it('takes neither the order of groups nor that of members for a change', async () => {
    const since = service.asked.length
    await ensure(shaped({ groups: ['a', 'b'] }, { x: { a: 1, b: 2 } }))
    await ensure(shaped({ groups: ['b', 'a'] }, { x: { b: 2, a: 1 } }))
    expect(asked(since)).toHaveLength(1)
  })

  it('tells it again when the shape has changed, and when it has changed back, under a new key each time', async () => {
    const since = service.asked.length
    for (const unit of ['ops', 'it', 'ops', 'ops']) await ensure(shaped({}, { unit }))
    await ensure(shaped({ groups: ['admins'] }))
    expect(asked(since).map(({ body }) => JSON.parse(body).unit)).toEqual(['ops', 'it', 'ops', 'ops'])
    expect(new Set(keys(since)).size).toBe(4)
  })

  it('tells every portal, and of every account', async () => {
    const since = service.asked.length
    await ensure()
    await ensure(shaped(), { portal: 'second' })
    await ensure(shaped({ account: 'anna-2' }))
    await ensure(shaped({ provider: 'FIDO' }))
    expect(new Set(keys(since)).size).toBe(4)
  })

  it('is done by one of two processes, while the other waits', async () => {
    const since = service.asked.length
    let arrived = () => {}
    const first = new Promise<void>((resolve) => {
      arrived = resolve
    })
    let release = () => {}
    const held = new Promise<void>((resolve) => {
      release = resolve
    })
    service.answer = async () => {
      arrived()
      await held
      return { status: 201 }
    }
    const signIns = [pod(), pod(), pod()].map((from) => ensure(shaped(), { from }))
    await first
    release()
    await Promise.all(signIns)
    expect(asked(since)).toHaveLength(1)
  })

  it('takes over from a process that has died in the middle of it', async () => {
    const since = service.asked.length
    const dying = ensure(shaped(), { timeout: 30_000 }).catch(() => undefined)
    // its call is heard, and what it writes afterwards never arrives
    await dying
    const [[key = '', value] = []] = [...(await store.list('provisioned:', 1))]
    await store.change(key, value, { times: 0, lease: { by: 'gone', until: clock.now + 10_000 } })
    await expect(ensure(shaped(), { timeout: 50 })).rejects.toThrow('another process is at it')
    clock.pass(10_000)
    await ensure()
    expect(keys(since)).toEqual([keys(since)[0], keys(since)[0]])
    // it may have told the portal another shape than the one that is on record
    const [[, done] = []] = [...(await store.list('provisioned:', 1))]
    await store.change(key, done, { ...(done as object), lease: { by: 'gone', until: clock.now - 1 } })
    await ensure()
    expect(asked(since)).toHaveLength(3)
  })

  it('tries up to three times, under one key', async () => {
    const since = service.asked.length
    service.answer = () => (service.asked.length - since < 3 ? { status: 503 } : { status: 200 })
    await ensure()
    expect(keys(since)).toHaveLength(3)
    expect(new Set(keys(since)).size).toBe(1)
  })

  it('gives up after that, tells the operator, and lets the next sign-in try again', async () => {
    const since = service.asked.length
    service.answer = () => 'break'
    await expect(ensure()).rejects.toMatchObject({ reason: 'provisioning-failed' } satisfies Partial<PosternError>)
    expect(asked(since)).toHaveLength(3)
    expect(await provisioningFailures(store)).toEqual([
      {
        portal: 'home',
        provider: 'PLAY',
        account: 'anna@company.com',
        profile: 'staff',
        at: new Date(noon).toISOString(),
        detail: expect.stringContaining(service.url),
      },
    ])
    service.answer = () => ({ status: 200 })
    await ensure()
    expect(await provisioningFailures(store)).toEqual([])
    expect(new Set(keys(since)).size).toBe(1)
  })

  it.each([400, 403, 409, 302])('does not repeat what the portal has answered %i', async (status) => {
    const since = service.asked.length
    service.answer = () => ({ status, headers: { location: '/' } })
    await expect(ensure()).rejects.toThrow(`${service.url} answered ${status}`)
    expect(asked(since)).toHaveLength(1)
  })

  it('ends in time where the portal does not answer', async () => {
    service.answer = () => 'nothing'
    await expect(ensure(shaped(), { timeout: 50 })).rejects.toThrow('no answer in time')
  })

  it('does not take an older shape for done after a call whose end it does not know', async () => {
    const since = service.asked.length
    await ensure(shaped({}, { unit: 'ops' }))
    service.answer = () => 'break'
    await expect(ensure(shaped({}, { unit: 'it' }))).rejects.toThrow(PosternError)
    service.answer = () => ({ status: 200 })
    await ensure(shaped({}, { unit: 'ops' }))
    expect(JSON.parse(service.asked.at(-1)!.body).unit).toBe('ops')
    expect(asked(since)).toHaveLength(5)
  })

  it('fails where something that is to be sent is missing', async () => {
    const since = service.asked.length
    await expect(ensure(shaped(), { body: 'nothing' })).rejects.toMatchObject({ reason: 'provisioning-failed' })
    expect(asked(since)).toEqual([])
  })

  it('is refused at whichever access the store fails, and is done and nobody’s trouble when it is back', async () => {
    service.answer = () => ({ status: 422 })
    for (let accesses = 0; accesses < 6; accesses++) {
      const account = `anna-${accesses}`
      const identity = shaped({ account })
      await expect(ensure(identity)).rejects.toThrow(PosternError)
      const since = service.asked.length
      service.answer = () => ({ status: 201 })
      const broken = createProvisioning({ store: failingAfter(store, accesses), clock: clock.read, log })
      const first = await ensure(identity, { from: broken }).then(
        () => 'done',
        ({ reason }: PosternError) => reason,
      )
      expect(first).toBe(accesses < 5 ? 'store-unavailable' : 'done')
      clock.pass(10_001)
      await ensure(identity)
      await ensure(identity)
      expect(new Set(keys(since)).size).toBe(1)
      expect((await provisioningFailures(store)).map((failure) => failure.account)).toEqual([])
      service.answer = () => ({ status: 422 })
    }
  })

  it('leaves its trace in the audit log where the store fails after the call', async () => {
    const broken = () => createProvisioning({ store: failingAfter(store, 2), clock: clock.read, log })
    service.answer = () => ({ status: 422 })
    await expect(ensure(shaped(), { from: broken() })).rejects.toMatchObject({ reason: 'provisioning-failed' })
    expect(log.audits).toMatchObject([{ msg: 'provisioning failed', fields: { detail: `${service.url} answered 422` } }])
    clock.pass(10_001)
    service.answer = () => ({ status: 201 })
    await expect(ensure(shaped(), { from: broken() })).rejects.toMatchObject({ reason: 'store-unavailable' })
    expect(log.audits.at(-1)?.msg).toBe('provisioned')
  })

  it('keeps and logs no value of the call', async () => {
    service.answer = () => ({ status: 400, body: 's3cret answer' })
    await expect(ensure()).rejects.toThrow(PosternError)
    expect(JSON.stringify([log.audits, await store.list('', 100)])).not.toContain('s3cret')
  })
})

/** From then on it cannot be reached. */
function failingAfter(alive: StateStore, accesses: number): StateStore {
  let left = accesses
  const asked = () => {
    if (left-- <= 0) throw new PosternError('store-unavailable', 'gone')
  }
  return {
    ...alive,
    get: async (key) => {
      asked()
      return alive.get(key)
    },
    change: async (...change) => {
      asked()
      return alive.change(...change)
    },
  }
}
