// The `server` section: where Postern listens and whom it believes about the way a request came.
import { z } from 'zod'
import { clientTls, duration, listen, origin, pathPrefix, pem, range, size, someTime, stateUrl, text } from './values.ts'

const timeouts = z
  .strictObject({
    connect: someTime.prefault('5s').describe('To open a connection to the portal.'),
    response: someTime.prefault('60s').describe("From the request sent to the answer's first byte."),
    stream: duration.prefault(0).describe('Silence inside a body or an upgraded connection; `0` is off.'),
    headers: someTime.prefault('15s').describe("For a client's request line and headers."),
    drainDelay: duration.prefault('5s').describe('After SIGTERM: how long new requests are still served.'),
    drain: duration.prefault('25s').describe('After that: how long running requests may take.'),
  })
  .prefault({})

const tls = z.strictObject({
  cert: pem.describe('Certificate chain.'),
  key: pem.describe('Private key.'),
  clientCa: z.exactOptional(pem).describe('Client certificates are asked for and verified against these authorities.'),
})

export const serverSchema = z.strictObject({
  listen: listen.prefault('0.0.0.0:8080').describe('Where people (or the ingress) arrive.'),
  health: listen.prefault('0.0.0.0:9091').describe('`/healthz` `/readyz` `/readyz/{portal}` `/metrics`: read only.'),
  admin: listen
    .prefault('127.0.0.1:9090')
    .describe(
      '`/config`: what is being served, and what was wrong with the last reload; `/explain`: why a request was refused; `/sessions`, `/links`, `/provisioning`. Any address but loopback needs `adminToken`.',
    ),
  adminToken: z
    .exactOptional(text.min(16, 'is too short to be a secret → use at least 16 characters'))
    .describe('Bearer token of the admin listener.'),
  healthPath: z
    .union([z.literal(''), pathPrefix], { error: 'must be a path → write for example /alive, or leave it empty' })
    .prefault('')
    .describe('Exact path answered 200 `ok` on `listen` for any Host. Empty: none.'),
  publicUrl: z.exactOptional(origin).describe('Its scheme and port serve every portal that gives no `publicUrl` of its own.'),
  trustedProxies: z.array(range).prefault([]).describe('Whose `X-Forwarded-*` are believed. Empty: nobody.'),
  basePath: pathPrefix
    .refine((value) => value !== '/', 'would take every path away from the portals → write for example /_postern')
    .prefault('/_postern')
    .describe("Postern's own endpoints, on every portal."),
  tls: z.exactOptional(tls).describe('Serve https on `listen`.'),
  timeouts: timeouts.describe('Time limits.'),
  maxHeaderBytes: size
    .refine((bytes) => bytes >= 1024 && bytes <= 1024 ** 2, 'is out of range → write 1KiB to 1MiB')
    .prefault('32KiB')
    .describe('A larger request header is answered 431.'),
  engine: z.enum(['undici', 'http-proxy']).prefault('undici').describe('What carries requests to the portals.'),
  egressProxy: z
    .exactOptional(origin)
    .describe('Proxy for calls to identity providers. Default: `HTTPS_PROXY`, except for hosts in `NO_PROXY`.'),
  stateTls: z.exactOptional(clientTls).describe('For a `rediss` `state`.'),
  state: z
    .exactOptional(stateUrl)
    .describe(
      'What must outlive a process: account links, what was provisioned. A file for one replica, Redis for several. Where sessions live in the cookie, replicas tell each other through that Redis who was signed out.',
    ),
})
