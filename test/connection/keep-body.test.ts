import type { IncomingMessage } from 'node:http'
import { PassThrough } from 'node:stream'
import { expect, it } from 'vitest'
import { readBody } from '../../src/connection/keep-body.ts'
import { largestKept } from '../../src/identity/signing-in/kept-request.ts'

/** A request as far as its body goes. */
const arriving = (socket = new PassThrough()) =>
  Object.assign(new PassThrough(), { socket, complete: false }) as unknown as PassThrough & IncomingMessage

it('reads a body that comes in pieces', async () => {
  const incoming = arriving()
  const reading = readBody(incoming, 100_000)
  incoming.write('a=')
  incoming.end('1')
  expect((await reading)?.toString()).toBe('a=1')
})

it('waits for a slow one as long as it is told to, and throws away what comes later', async () => {
  const incoming = arriving()
  incoming.write('a=')
  expect(await readBody(incoming, 1)).toBeUndefined()
  incoming.end('x'.repeat(largestKept * 4))
  await new Promise((ended) => incoming.once('end', ended))
})

it('stops at the limit, and throws away the rest', async () => {
  const incoming = arriving()
  const reading = readBody(incoming, 100_000)
  incoming.write('x'.repeat(largestKept))
  incoming.write('x')
  expect(await reading).toBeUndefined()
  incoming.end('x'.repeat(largestKept * 4))
  await new Promise((ended) => incoming.once('end', ended))
})

it('takes exactly the limit', async () => {
  const incoming = arriving()
  const reading = readBody(incoming, 100_000)
  incoming.end('x'.repeat(largestKept))
  expect((await reading)?.length).toBe(largestKept)
})

it('gives up where the client goes away, before or meanwhile', async () => {
  const before = arriving()
  before.destroy()
  expect(await readBody(before, 100_000)).toBeUndefined()
  const meanwhile = arriving()
  const reading = readBody(meanwhile, 100_000)
  meanwhile.write('a=')
  meanwhile.destroy(new Error('reset'))
  expect(await reading).toBeUndefined()
})

it('gives up where the client has ended its side in the middle, but not where all was sent before', async () => {
  const socket = new PassThrough()
  const half = arriving(socket)
  half.write('a=')
  const reading = readBody(half, 100_000)
  socket.resume().end()
  expect(await reading).toBeUndefined()
  expect(await readBody(arriving(socket), 100_000)).toBeUndefined()
  const whole = arriving(socket)
  whole.end('a=1')
  whole.complete = true
  expect((await readBody(whole, 100_000))?.toString()).toBe('a=1')
})
