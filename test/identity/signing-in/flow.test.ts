import { describe, expect, it } from 'vitest'
import type { Board } from '../../../src/board.ts'
import { PosternError } from '../../../src/errors.ts'
import { createSealer } from '../../../src/identity/sessions/seal.ts'
import { createFlowMemory, createFlows, newFlowId, type Waiting } from '../../../src/identity/signing-in/flow.ts'
import { createMemoryBoard } from '../../../src/state/board-memory.ts'
import { keyA, minute, noon, rulesOf, TestClock } from '../harness.ts'

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
    const memory = createFlowMemory({ most: 3 })
    for (let i = 0; i < 9; i++) memory.expect(`${i}`, waiting(noon + i))
    expect([...(memory.timedOut(noon + 20 * minute) as readonly Waiting[])].map(({ at }) => at - noon)).toEqual([6, 7, 8])
  })
})

/** A board that can be taken away. */
function fragile(board: Board): Board & { down: boolean } {
  const guarded = {
    down: false,
    ...Object.fromEntries(
      (['once', 'put', 'get', 'take', 'lease'] as const).map((name) => [
        name,
        async (...given: unknown[]) => {
          if (guarded.down) throw new PosternError('store-unavailable', 'down')
          return (board[name] as (...all: unknown[]) => Promise<unknown>)(...given)
        },
      ]),
    ),
  } as Board & { down: boolean }
  return guarded
}
function replicas() {
  const clock = new TestClock()
  const board = fragile(createMemoryBoard({ clock: clock.read }))
  return { clock, board, one: createFlowMemory({ board }), two: createFlowMemory({ board }) }
}

describe('the memory of flows that replicas share', () => {
  it('lets each be used once at all of them, however many ask at the same time', async () => {
    const { one, two } = replicas()
    const uses = await Promise.all([one, two, one, two, two].map((memory) => memory.use('a')))
    expect(uses.filter(Boolean)).toHaveLength(1)
    expect([await one.use('a'), await two.use('a'), await two.use('b')]).toEqual([false, false, true])
  })

  it('forgets none as long as a callback could bring it, clocks being what they are', async () => {
    const { one, two, clock } = replicas()
    await one.use('a')
    clock.pass(20 * minute - 1)
    expect(await two.use('a')).toBe(false)
  })

  it('does not use up what it cannot write down', async () => {
    const { one, two, board } = replicas()
    board.down = true
    await expect(one.use('a')).rejects.toMatchObject({ reason: 'store-unavailable' })
    board.down = false
    expect([await one.use('a'), await two.use('a')]).toEqual([true, false])
  })

  it('misses nobody who came back at another replica', async () => {
    const { one, two, clock } = replicas()
    one.expect('a', waiting(noon))
    one.expect('b', waiting(noon + 1))
    await two.arrived('a')
    clock.pass(10 * minute + 1)
    expect(await two.timedOut(clock.now)).toEqual([])
    expect(await one.timedOut(clock.now)).toEqual([waiting(noon + 1)])
    expect(await one.timedOut(clock.now)).toEqual([])
  })

  it('asks later where it cannot ask, and nobody waits for that', async () => {
    const { one, two, clock, board } = replicas()
    one.expect('a', waiting(noon))
    one.expect('b', waiting(noon))
    await two.arrived('a')
    board.down = true
    await two.arrived('b')
    clock.pass(10 * minute)
    expect(await one.timedOut(clock.now)).toEqual([])
    board.down = false
    expect(await one.timedOut(clock.now)).toEqual([waiting(noon)])
  })

  it('gives each once, also to two who ask at the same time', async () => {
    const { one, clock } = replicas()
    one.expect('a', waiting(noon))
    clock.pass(10 * minute)
    const both = await Promise.all([one.timedOut(clock.now), one.timedOut(clock.now)])
    expect(both.flat()).toHaveLength(1)
  })
})
