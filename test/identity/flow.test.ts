import { describe, expect, it } from 'vitest'
import { createFlowMemory, createFlows, newFlowId, type Waiting } from '../../src/identity/flow.ts'
import { createSealer } from '../../src/identity/seal.ts'
import { keyA, minute, noon, rulesOf } from './harness.ts'

const flows = createFlows(createSealer([keyA]))
const rules = rulesOf('home')
const record = {
  portal: 'home',
  id: newFlowId(noon),
  at: noon,
  provider: 'PLAY',
  audience: 'home',
  returnTo: '/',
  callback: 'https://home.company.com/cb',
  flow: { nonce: 'n' },
}
const cookieOf = async (changed: Partial<typeof record> = {}) => ({
  cookies: (await flows.keep({ ...record, ...changed }, { cookies: '' }, rules))[0]?.split(';', 1)[0] as string,
})
const waiting = (at: number): Waiting => ({
  at,
  requestId: 'r',
  portal: 'home',
  provider: 'PLAY',
  credentialType: 'FIDO',
  clientAddress: null,
})

describe('a flow cookie', () => {
  it('gives back the flow it was set for', async () => {
    expect(await flows.find(record, await cookieOf(), rules)).toEqual(record)
  })

  it('gives nothing for another flow, time or portal, even under the right name', async () => {
    expect(await flows.find({ ...record, at: noon + 1 }, await cookieOf(), rules)).toBeUndefined()
    expect(await flows.find(record, await cookieOf({ audience: 'mail' }), rules)).toBeUndefined()
    const id = newFlowId(noon)
    const renamed = { cookies: (await cookieOf()).cookies.replace(record.id, id) }
    expect(await flows.find({ ...record, id }, renamed, rules)).toBeUndefined()
    expect(await flows.find(record, { cookies: '' }, rules)).toBeUndefined()
  })

  it('is no state, and a state is no flow', async () => {
    const state = await flows.sealState(record)
    expect(await flows.openState(state)).toEqual({ portal: 'home', id: record.id, at: noon })
    expect(await flows.openState((await cookieOf()).cookies.split('=')[1] as string)).toBeUndefined()
    expect(await flows.find(record, { cookies: `${rules.cookieName}.f${record.id}=${state}` }, rules)).toBeUndefined()
  })

  it('is named by age: of many the oldest go', async () => {
    const ids = Array.from({ length: 300 }, (_, i) => newFlowId(noon + i * 1000))
    expect([...ids].sort()).toEqual(ids)
    const cookies = ids.slice(0, 9).map((id) => `${rules.cookieName}.f${id}=x`)
    const set = await flows.keep({ ...record, id: ids[9] as string }, { cookies: cookies.join('; ') }, rules)
    expect(set.slice(1).map((cookie) => cookie.slice(rules.cookieName.length + 2).split('=', 1)[0])).toEqual(
      [...ids.slice(0, 5)].reverse(),
    )
  })
})

describe('the memory of flows', () => {
  it('lets each be used once', () => {
    const memory = createFlowMemory()
    expect([memory.use('a'), memory.use('a'), memory.use('b')]).toEqual([true, false, true])
  })

  it('gives those that are late once, the others later', () => {
    const memory = createFlowMemory()
    memory.expect('a', waiting(noon))
    memory.expect('b', waiting(noon + 1))
    memory.expect('c', waiting(noon + 2))
    memory.arrived('b')
    expect(memory.timedOut(noon + 10 * minute)).toEqual([waiting(noon)])
    expect(memory.timedOut(noon + 10 * minute)).toEqual([])
    expect(memory.timedOut(noon + 11 * minute)).toEqual([waiting(noon + 2)])
  })

  it('is bounded', () => {
    const memory = createFlowMemory(3)
    for (let i = 0; i < 9; i++) memory.expect(`${i}`, waiting(noon + i))
    expect(memory.timedOut(noon + 20 * minute).map(({ at }) => at - noon)).toEqual([6, 7, 8])
  })
})
