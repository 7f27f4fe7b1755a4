import { expect, it } from 'vitest'
import { createSealer } from '../../../src/identity/sessions/seal.ts'
import { createMemorySessions, createMemoryStore } from '../../../src/identity/sessions/stores/memory.ts'
import { keyA, minute, noon, TestClock } from '../harness.ts'
import { describeKeepingStore, made, recordOf } from './store-conformance.ts'

const fresh = () => {
  const sessions = createMemorySessions()
  const clock = new TestClock()
  const open = (keys: readonly string[] = [keyA]) =>
    createMemoryStore({ sessions, sealer: createSealer(keys), clock: clock.read })
  return { sessions, clock, open }
}
describeKeepingStore('memory', async () => fresh())

it('the memory store lets go of what nobody took when it was over', async () => {
  const { sessions, clock, open } = fresh()
  const store = open()
  const token = await made(store)
  clock.pass(89 * minute)
  expect(await store.read(token, 'home')).toBeDefined()
  clock.pass(minute)
  expect(await store.read(token, 'home')).toBeUndefined()
  await made(store, recordOf({ id: 'b', audience: 'mail' }), noon + 200 * minute)
  expect([...sessions.byId.keys()]).toEqual(['b'])
  expect(sessions.byPerson.size).toBe(1)
})
