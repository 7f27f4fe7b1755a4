import { expect, it } from 'vitest'
import { createMemoryBoard } from '../../src/state/board-memory.ts'
import { describeBoard } from './board-conformance.ts'

function clockOf() {
  let now = 1_000_000
  const pass = (ms: number) => {
    now += ms
  }
  return { read: () => now, pass }
}

describeBoard('memory', async () => {
  const { read, pass } = clockOf()
  const board = createMemoryBoard({ clock: read })
  return { board, another: board, pass }
})

it('a full memory board refuses rather than forgets, and has room again when the time of words is over', async () => {
  const { read, pass } = clockOf()
  const board = createMemoryBoard({ clock: read, most: 1000 })
  expect(await board.once('used', 60_000)).toBe(true)
  await board.put('text', 'x'.repeat(900), 1000)
  await expect(board.put('more', 'x'.repeat(900), 1000)).rejects.toMatchObject({ reason: 'store-unavailable' })
  expect(await board.once('used', 60_000)).toBe(false)
  await board.put('text', 'y'.repeat(900), 1000)
  pass(20_000)
  await board.put('more', 'x'.repeat(900), 1000)
  expect(await board.once('used', 60_000)).toBe(false)
})
