// One packet that ended the process: an upgrade behind a request whose answer is still on its way. Node hands the bare socket over
// a second time, and an answer cannot be put on a socket that carries one.
import { afterAll, beforeAll, expect, it } from 'vitest'
import { type MirrorPortal, startMirrorPortal } from '../support/mirror-portal.ts'
import { type RunningPostern, startPostern, testKey } from '../support/postern.ts'
import { get, wire } from '../support/wire.ts'

let portal: MirrorPortal
let postern: RunningPostern

beforeAll(async () => {
  portal = await startMirrorPortal({ webSockets: true })
  postern = await startPostern({
    configuration: `
server:
  publicUrl: http://home.localhost
session: { keys: [${testKey}] }
providers:
  - { name: webseal, protocol: WEBSEAL, trustedSourceIps: [127.0.0.9] }
portals:
  - { name: home, host: home.localhost, upstream: "${portal.url}", providers: [webseal], routes: [{ path: /**, access: public }] }
`,
  })
})
afterAll(async () => {
  await postern.stop()
  await portal.close()
})

const upgrade =
  'GET /socket HTTP/1.1\r\nHost: home.localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n'

it.each([
  ['an own endpoint', `GET /_postern/login HTTP/1.1\r\nHost: home.localhost\r\n\r\n${upgrade}`],
  ['a page of the portal', `GET /x HTTP/1.1\r\nHost: home.localhost\r\n\r\n${upgrade}`],
  ['a refused path', `GET /../x HTTP/1.1\r\nHost: home.localhost\r\n\r\n${upgrade}`],
  ['no host', `GET /x HTTP/1.1\r\n\r\n${upgrade}`],
  ['another upgrade', upgrade + upgrade],
  [
    'CONNECT behind a page',
    'GET /x HTTP/1.1\r\nHost: home.localhost\r\n\r\nCONNECT home.localhost:443 HTTP/1.1\r\nHost: home.localhost\r\n\r\n',
  ],
])('behind %s', async (_what, bytes) => {
  await wire(postern.port, bytes, { patience: 300 })
  expect((await wire(postern.port, get('/after'))).status).toBe(200)
})

it('what follows an answer that closes is not taken', async () => {
  const before = portal.seen.length
  await wire(postern.port, `GET /first HTTP/1.1\r\nHost: home.localhost\r\nConnection: close\r\n\r\n${get('/second')}`, {
    patience: 300,
  })
  expect(portal.seen.slice(before).map(({ target }) => target)).toEqual(['/first'])
})
