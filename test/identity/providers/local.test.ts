// The portal's own sign-in: a provider only by name.
import { expect, it } from 'vitest'
import { createProvider } from '../../../src/identity/providers/index.ts'
import { itConforms } from './conformance.ts'
import { createRecorder } from './fixtures.ts'

const create = (options: object = {}) =>
  createProvider({ protocol: 'LOCAL', name: 'own', label: 'Portal', ...options }, { log: createRecorder(), clock: () => 5 })

itConforms('LOCAL', () => ({ provider: create(), secrets: [] }))

it('is always there to be chosen, and has what a choice needs', () => {
  expect(create().status?.()).toEqual({ state: 'ready' })
  expect(create({ credentialsName: 'form' })).toMatchObject({
    name: 'own',
    protocol: 'LOCAL',
    label: 'Portal',
    credentialsName: 'form',
  })
})
