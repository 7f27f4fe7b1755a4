// What an operator relies on: probes, metrics, reloads, drain, WebSockets through the whole of it.

import { once } from 'node:events'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { connect } from 'node:net'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { WebSocket, WebSocketServer } from 'ws'
import { type MirrorPortal, type Seen, startMirrorPortal, valuesOf } from '../support/mirror-portal.ts'
import { type RunningPostern, startPostern, testKey } from '../support/postern.ts'
import { get, wire } from '../support/wire.ts'

let portal: MirrorPortal
let sockets: Server
let postern: RunningPostern

const configuration = (more = '', rule = 'account != "nobody"') => `
server:
  publicUrl: http://home.localhost
  healthPath: /alive
  timeouts: { drainDelay: 0, drain: 5s }
session: { keys: [${testKey}] }
providers:
  - { name: webseal, protocol: WEBSEAL, trustedSourceIps: [127.0.0.1] }
portals:
  - { name: home, host: home.localhost, upstream: "${portal.url}", providers: [webseal], rules: [{ name: somebody, when: '${rule}', message: "Not you." }], allowedOrigins: ["https://partner.example"], routes: [{ path: /public/**, access: public }] }
  - { name: live, host: live.localhost, upstream: "http://127.0.0.1:${(sockets.address() as AddressInfo).port}", providers: [webseal], allowedOrigins: ["https://partner.example"] }
  - { name: gone, host: gone.localhost, upstream: "http://127.0.0.1:9", providers: [webseal] }
${more}`

beforeAll(async () => {
  portal = await startMirrorPortal()
  sockets = createServer((_request, response) => void response.writeHead(404).end())
  new WebSocketServer({ server: sockets }).on('connection', (socket, request) => {
    socket.on('message', (data) => socket.send(`${request.headers['iv-user']}: ${data}`))
  })
  sockets.listen(0, '127.0.0.1')
  await once(sockets, 'listening')
  postern = await startPostern({ configuration: configuration() })
})
afterAll(async () => {
  await postern.stop()
  await portal.close()
  sockets.closeAllConnections()
  sockets.close()
})

const signedIn = (target = '/x', more: readonly string[] = []) => wire(postern.port, get(target, ['iv-user: anna', ...more]))

describe('the health listener', () => {
  it('answers probes and shows metrics, and nothing of it is on the port for people', async () => {
    expect(await (await fetch(`${postern.healthUrl}/healthz`)).text()).toBe('ok\n')
    expect((await fetch(`${postern.healthUrl}/readyz`)).status).toBe(200)
    expect((await fetch(`${postern.healthUrl}/readyz/home`)).status).toBe(200)
    expect((await fetch(`${postern.healthUrl}/readyz/gone`)).status).toBe(503)
    expect((await fetch(`${postern.healthUrl}/readyz/unknown`)).status).toBe(404)
    for (const path of ['/metrics', '/healthz', '/readyz', '/config', '/sessions'])
      expect([path, (await wire(postern.port, get(path))).status]).toEqual([path, 403])
  })
  it('shows no stack trace for a broken address', async () => {
    for (const url of [postern.healthUrl, postern.adminUrl]) {
      const answer = await fetch(`${url}/readyz/%ff`)
      expect([400, 404]).toContain(answer.status)
      expect(await answer.text()).not.toMatch(/node_modules|at /)
    }
  })
  it('counts requests by portal, decision and status', async () => {
    await signedIn()
    const text = await (await fetch(`${postern.healthUrl}/metrics`)).text()
    expect(text).toMatch(/postern_requests_total\{portal="home",decision="allow",status="200"\} [1-9]/)
    expect(text).toMatch(/postern_config_generation [1-9]/)
    for (const name of [
      'postern_request_duration_seconds',
      'postern_upstream_duration_seconds',
      'postern_sign_ins_total',
      'postern_rule_evaluations_total',
      'postern_sessions',
      'postern_store_errors_total',
    ])
      expect(text).toContain(`# TYPE ${name} `)
  })
  it('a healthPath is an exact path on the port for people, for any host; a User-Agent is nothing', async () => {
    expect((await wire(postern.port, get('/alive', [], 'anything'))).body).toBe('ok')
    expect((await wire(postern.port, get('/alive/', ['User-Agent: kube-probe/1.30']))).status).toBe(403)
    expect((await wire(postern.port, get('/x', ['User-Agent: GoogleHC/1.0'], 'anything'))).status).toBe(404)
  })
})

describe('the admin listener', () => {
  it('shows providers, portals and no secret', async () => {
    const text = await (await fetch(`${postern.adminUrl}/config`)).text()
    expect(JSON.parse(text)).toMatchObject({
      generation: expect.any(Number),
      providers: [{ name: 'webseal', protocol: 'WEBSEAL', enabled: true, portals: ['home', 'live', 'gone'] }],
    })
    expect(text).not.toContain(testKey)
  })
  it('does not answer under another name (DNS rebinding)', async () => {
    const port = Number(new URL(postern.adminUrl).port)
    expect((await wire(port, get('/config', [], 'evil.example'))).status).toBe(403)
  })
})

describe('our own endpoints', () => {
  it('everything else below basePath is 404, never the portal', async () => {
    for (const target of [
      '/_postern',
      '/_postern/',
      '/_postern/nothing',
      '/_postern/login/x',
      '/_postern/Session',
      '/_postern/start/unknown',
      '/_postern/callback/unknown',
    ]) {
      const before = portal.seen.length
      const { status } = await signedIn(target)
      expect([target, status === 404 || status === 400]).toEqual([target, true])
      expect(portal.seen.length).toBe(before)
    }
    expect((await signedIn('/_posternx')).status).toBe(200)
  })
  it('a wrong method is 405', async () => {
    const answer = await wire(
      postern.port,
      'DELETE /_postern/session HTTP/1.1\r\nHost: home.localhost\r\nConnection: close\r\n\r\n',
    )
    expect(answer.status).toBe(405)
    expect(answer.headers.get('allow')).toEqual(['GET, HEAD'])
  })
  it('a provider name that is no percent-encoding is 400', async () => {
    expect((await signedIn('/_postern/start/%FF')).status).toBe(400)
  })
})

describe('a portal that is not there', () => {
  it('is 502 with a plain sentence, Retry-After and a request id', async () => {
    const answer = await wire(postern.port, get('/x', ['iv-user: anna'], 'gone.localhost'))
    expect(answer.status).toBe(502)
    expect(JSON.parse(answer.body)).toMatchObject({ status: 502, requestId: expect.any(String) })
    expect(answer.body).not.toMatch(/ECONNREFUSED|127\.0\.0\.1/)
    expect(postern.logs).toContainEqual(
      expect.objectContaining({ log: 'access', status: 502, portal: 'gone', reason: 'portal-unreachable' }),
    )
  })
})

describe('WebSockets', () => {
  const open = (options: { origin?: string; headers?: Record<string, string> }) =>
    new Promise<{ status: number; answer?: string }>((resolve) => {
      const socket = new WebSocket(`ws://127.0.0.1:${postern.port}/socket`, {
        headers: { Host: 'live.localhost', ...options.headers },
        ...(options.origin ? { origin: options.origin } : {}),
      })
      socket.on('open', () => socket.send('hello'))
      socket.on('message', (data) => {
        socket.close()
        resolve({ status: 101, answer: String(data) })
      })
      socket.on('unexpected-response', (request, response) => {
        request.destroy()
        resolve({ status: response.statusCode ?? 0 })
      })
      socket.on('error', () => undefined)
    })
  const headers = { 'iv-user': 'anna' }
  it('reach the portal with the identity', async () =>
    expect(await open({ headers, origin: 'http://live.localhost' })).toEqual({ status: 101, answer: 'anna: hello' }))
  it('of an allowed origin too, and of programs that send none', async () => {
    expect((await open({ headers, origin: 'https://partner.example' })).status).toBe(101)
    expect((await open({ headers })).status).toBe(101)
  })
  it('of a foreign origin are 403 (cross-site WebSocket hijacking)', async () => {
    for (const origin of ['https://evil.example', 'http://live.localhost.evil.example', 'null', 'https://live.localhost'])
      expect([origin, (await open({ headers, origin })).status]).toEqual([origin, 403])
  })
  it('of nobody are refused', async () => expect((await open({})).status).toBe(403))
  it('to a portal that speaks none get its own answer', async () =>
    expect((await open({ headers: { ...headers, Host: 'home.localhost' } })).status).toBe(200))
})

describe('a reload', () => {
  it('puts the new rules in force, and a broken configuration leaves the old ones serving', async () => {
    expect((await signedIn()).status).toBe(200)
    expect(await postern.reconfigure(configuration('', 'account = "bert"'))).toBe(true)
    const refused = await signedIn()
    expect(refused.status).toBe(403)
    expect(JSON.parse(refused.body)).toMatchObject({ detail: 'Not you.', rule: 'somebody', provider: 'webseal' })
    expect(await postern.reconfigure(configuration('nonsense: true'))).toBe(false)
    expect((await signedIn()).status).toBe(403)
    const config = (await (await fetch(`${postern.adminUrl}/config`)).json()) as { problems: object[] }
    expect(config.problems).toContainEqual(expect.objectContaining({ key: 'nonsense', line: expect.any(Number) }))
    expect(await postern.reconfigure(configuration())).toBe(true)
    expect((await signedIn()).status).toBe(200)
  })
})

describe('100-continue', () => {
  const post = (lines: readonly string[]) =>
    [
      'POST /x HTTP/1.1',
      'Host: home.localhost',
      'Connection: close',
      'Content-Length: 4',
      'Expect: 100-continue',
      ...lines,
      '',
      '',
    ].join('\r\n')
  it('is said when the decision is allow', async () => {
    const answer = await new Promise<string>((resolve) => {
      const socket = connect(postern.port, '127.0.0.1', () => socket.write(post(['iv-user: anna'])))
      let text = ''
      socket.on('data', (chunk) => {
        text += chunk
        if (text === 'HTTP/1.1 100 Continue\r\n\r\n') socket.write('body')
      })
      socket.on('close', () => resolve(text))
    })
    expect(answer).toMatch(/^HTTP\/1\.1 100 Continue\r\n\r\nHTTP\/1\.1 200 /)
    expect(portal.seen.at(-1)).toMatchObject({ body: 'body' })
    expect(valuesOf(portal.seen.at(-1) as Seen, 'iv-user')).toEqual(['anna'])
    expect(valuesOf(portal.seen.at(-1) as Seen, 'expect')).toEqual([])
  })
  it('is not said to whom is refused', async () => expect((await wire(postern.port, post([]))).text).toMatch(/^HTTP\/1\.1 403 /))
})

describe('being stopped', () => {
  it('cuts no request: what runs is finished, /readyz says 503, the connection is closed after its answer', async () => {
    const slow = createServer((_request, response) => {
      response.writeHead(200)
      response.write('first ')
      held = () => response.end('last')
    })
    let held: () => void = () => undefined
    slow.listen(0, '127.0.0.1')
    await once(slow, 'listening')
    const own = await startPostern({
      configuration: configuration(
        `  - { name: slow, host: slow.localhost, upstream: "http://127.0.0.1:${(slow.address() as AddressInfo).port}", providers: [webseal] }\n`,
      ),
    })
    const running = new Promise<string>((resolve) => {
      const socket = connect(own.port, '127.0.0.1', () =>
        socket.write('GET /x HTTP/1.1\r\nHost: slow.localhost\r\niv-user: anna\r\n\r\n'),
      )
      let text = ''
      socket.on('data', (chunk) => {
        text += chunk
        if (text.endsWith('first \r\n')) stopping()
      })
      socket.on('close', () => resolve(text))
    })
    let drained: Promise<void> = Promise.resolve()
    const stopping = () => {
      drained = own.drain()
      void fetch(`${own.healthUrl}/readyz`).then((ready) => {
        readiness = ready.status
        held()
      })
    }
    let readiness = 0
    expect(await running).toContain('last')
    await drained
    expect(readiness).toBe(503)
    await expect(wire(own.port, get('/x'))).rejects.toThrow()
    slow.close()
  })
})
