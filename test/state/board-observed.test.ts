// A board whose failures are counted, and still told.
import { expect, it } from 'vitest'
import { createMemoryBoard } from '../../src/state/board-memory.ts'
import { observeBoard } from '../../src/state/board-observed.ts'
import { unavailable } from '../../src/state/entry.ts'

it('gives what the board gives, and counts nothing', async () => {
  const errors: string[] = []
  const board = observeBoard(createMemoryBoard({ clock: () => 0 }), (operation) => errors.push(operation))
  expect([await board.once('a', 10), await board.once('a', 10)]).toEqual([true, false])
  await board.put('b', 'text', 10)
  expect([await board.get('b'), await board.take('b'), await board.get('b')]).toEqual(['text', 'text', undefined])
  const lease = await board.lease('c', 10)
  expect([await lease?.renew(), await board.lease('c', 10)]).toEqual([true, undefined])
  expect(errors).toEqual([])
})

it('counts each call that fails, and lets it fail', async () => {
  const errors: string[] = []
  const down = async () => Promise.reject(unavailable('full'))
  const board = observeBoard({ once: down, put: down, get: down, take: down, lease: down }, (operation) => errors.push(operation))
  const calls = [board.once('a', 1), board.put('a', 'b', 1), board.get('a'), board.take('a'), board.lease('a', 1)]
  for (const call of calls) await expect(call).rejects.toMatchObject({ reason: 'store-unavailable' })
  expect(errors).toEqual(Array(5).fill('board'))
})
