import { expect, it } from 'vitest'
import { createSealer } from '../../src/identity/seal.ts'
import { createCookieStore } from '../../src/identity/stores/cookie.ts'
import { keyA } from './harness.ts'
import { describeStore, recordOf } from './store-conformance.ts'

const sealer = createSealer([keyA])
describeStore('cookie', () => createCookieStore(sealer))

it('what another version or another purpose sealed is no session', async () => {
  const store = createCookieStore(sealer)
  const record = JSON.parse(JSON.stringify(recordOf()))
  expect(await store.read(await sealer.seal({ version: 2, record }, 'session'))).toBeUndefined()
  expect(await store.read(await sealer.seal({ record }, 'session'))).toBeUndefined()
  expect(await store.read(await sealer.seal(null, 'session'))).toBeUndefined()
  expect(await store.read(await sealer.seal({ version: 1, record }, 'flow'))).toBeUndefined()
})
