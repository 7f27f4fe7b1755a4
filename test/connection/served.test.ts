import { expect, it } from 'vitest'
import { type Parts, Served } from '../../src/connection/served.ts'

function served() {
  const closed: string[] = []
  let finish = () => {}
  const parts = {
    forwarder: { close: async () => void closed.push('forwarder') },
    generation: {
      close: () => {
        closed.push('generation')
        return new Promise<void>((resolve) => {
          finish = resolve
        })
      },
    },
  } as unknown as Parts
  return { served: new Served(parts), closed, finish: () => finish() }
}
const isSettled = (promise: Promise<void>) =>
  Promise.race([promise.then(() => true), new Promise<boolean>((later) => setImmediate(() => later(false)))])

it('is closed when the last request lets go, and not when the next configuration has come', async () => {
  const { served: one, closed, finish } = served()
  one.hold()
  one.release()
  expect(closed).toEqual([])
  expect(await isSettled(one.closed)).toBe(false)
  one.release()
  expect(closed).toEqual(['forwarder', 'generation'])
  expect(await isSettled(one.closed)).toBe(false)
  finish()
  await one.closed
})
