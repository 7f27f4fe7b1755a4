import { expect, it } from 'vitest'
import { createSealer } from '../../../src/identity/sessions/seal.ts'
import { createCookieStore } from '../../../src/identity/sessions/stores/cookie.ts'
import { keyA, TestClock } from '../harness.ts'
import { describeStore, recordOf } from './store-conformance.ts'

describeStore('cookie', async () => ({
  open: (keys = [keyA]) => createCookieStore(createSealer(keys)),
  clock: new TestClock(),
}))

it('what another version or another purpose sealed is no session', async () => {
  const sealer = createSealer([keyA])
  const store = createCookieStore(sealer)
  const record = JSON.parse(JSON.stringify(recordOf()))
  expect(await store.read(await sealer.seal({ version: 2, record }, 'session'), 'home')).toBeUndefined()
  expect(await store.read(await sealer.seal({ record }, 'session'), 'home')).toBeUndefined()
  expect(await store.read(await sealer.seal(null, 'session'), 'home')).toBeUndefined()
  expect(await store.read(await sealer.seal({ version: 1, record }, 'flow'), 'home')).toBeUndefined()
})
