// The demo as a person meets it: a real OpenID provider, three portals that were never modified, Postern in front.
import { createHash, randomBytes } from 'node:crypto'
import { request } from 'node:http'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import WebSocket from 'ws'
import { Browser, signIn } from '../../deploy/demo/try.ts'
import { demo } from '../../src/commands/demo.ts'

const lines: string[] = []
let running: { close(): Promise<void> }
const urlOf = (portal: string): string => /http:\/\/\S+/.exec(lines.find((line) => line.includes(`//${portal}.localhost`))!)![0]

beforeAll(async () => {
  running = await demo({ port: 0 }, (line) => lines.push(line))
})
afterAll(() => running?.close())

const seenBy = (body: string): { user: string; groups: string; headers: [string, string][] } => JSON.parse(body)

describe('the demo', () => {
  it('prints the addresses, the user names and the passwords', () => {
    const told = lines.join('\n')
    for (const portal of ['home', 'live', 'upload']) expect(urlOf(portal)).toMatch(/^http:\/\/\w+\.localhost:\d+$/)
    for (const word of ['anna-pw', 'bert-pw', 'carl-pw', 'http://localhost:']) expect(told).toContain(word)
  })

  it('lets Anna in, who lands where she first wanted to go and is greeted by the headers', async () => {
    const browser = new Browser()
    const landed = await signIn(browser, `${urlOf('home')}/seen.json?page=2&page=3`, 'anna')
    expect([landed.status, landed.url.href]).toEqual([200, `${urlOf('home')}/seen.json?page=2&page=3`])
    expect(seenBy(landed.body)).toMatchObject({ user: 'anna@mycompany.com', groups: '"staff","admins"' })
    const names = seenBy(landed.body).headers.map(([name]) => name.toLowerCase())
    expect(names).not.toContain('cookie')
    expect(names).toEqual(expect.arrayContaining(['x-name', 'x-forwarded-proto', 'x-request-id']))
    expect((await browser.get(urlOf('home'))).body).toContain('Hello, anna@mycompany.com')
  })

  it('does not ask Bert for his password again at the next portal', async () => {
    const browser = new Browser()
    expect((await signIn(browser, urlOf('home'), 'bert')).status).toBe(200)
    const next = await browser.get(urlOf('upload'))
    expect([next.status, next.url.origin]).toEqual([200, urlOf('upload')])
    expect(next.body).toContain('Upload by form')
  })

  it('refuses Carl with the sentence of the rule', async () => {
    const refused = await signIn(new Browser(), urlOf('home'), 'carl')
    expect(refused.status).toBe(403)
    expect(refused.body).toContain('This demo is for people of mycompany.com.')
  })

  it('keeps somebody with a wrong password at the login page', async () => {
    const browser = new Browser()
    const asked = await browser.get(urlOf('home'))
    const again = await browser.post(asked.url, { user: 'anna', password: '<wrong>' })
    expect([again.status, again.url.pathname]).toEqual([401, asked.url.pathname])
  })

  it('signs out where a portal behind WebSEAL would send people, here and at the provider', async () => {
    const browser = new Browser()
    await signIn(browser, urlOf('home'), 'anna')
    const question = await browser.get(`${urlOf('home')}/pkmslogout`)
    const [, xsrf] = /name="xsrf" value="(\w+)"/.exec(question.body) ?? []
    expect(xsrf).toBeDefined()
    const out = await browser.post(new URL('/session/end/confirm', question.url), { xsrf: xsrf!, logout: 'yes' })
    expect(out.url.href).toMatch(`${urlOf('home')}/_postern/signed-out`)
    expect((await browser.get(urlOf('home'))).url.pathname).toMatch(/^\/interaction\//)
  })
})

describe('signed in, the other portals', () => {
  const file = randomBytes(300_000)
  const sha256 = createHash('sha256').update(file).digest('hex')
  let cookies: Record<string, string>

  beforeAll(async () => {
    const browser = new Browser()
    await signIn(browser, urlOf('live'), 'anna')
    await browser.get(urlOf('upload'))
    cookies = { live: browser.cookiesFor('live.localhost'), upload: browser.cookiesFor('upload.localhost') }
  })

  /** Resolves with the first chunk of the answer, and ends the request then. */
  function first(
    portal: 'live' | 'upload',
    path: string,
    method = 'GET',
    body?: Buffer,
    type = 'application/octet-stream',
  ): Promise<string> {
    const { host, port } = new URL(urlOf(portal))
    const headers = { host, cookie: cookies[portal]!, 'content-type': type, ...(body && { 'content-length': body.length }) }
    return new Promise((resolve, reject) => {
      const sent = request({ host: '127.0.0.1', port, path, method, headers, agent: false }, (response) => {
        response.once('data', (chunk: Buffer) => {
          resolve(chunk.toString())
          response.destroy()
        })
      })
      sent.once('error', reject)
      sent.end(body)
    })
  }

  it('take a file by fetch', async () => {
    expect(JSON.parse(await first('upload', '/raw?name=x', 'PUT', file))).toEqual({ name: 'x', size: file.length, sha256 })
  })

  it('take a file by form', async () => {
    const form = new FormData()
    form.set('file', new File([file], 'x.bin'))
    const encoded = new Response(form)
    const body = Buffer.from(await encoded.arrayBuffer())
    const page = await first('upload', '/form', 'POST', body, encoded.headers.get('content-type')!)
    expect(page).toContain(sha256)
    expect(page).toContain('x.bin')
  })

  it('push events that arrive while the answer is still open', async () => {
    expect(await first('live', '/ticker')).toMatch(/^data: \d{4}-/)
  })

  it('speak over a WebSocket, and know who is talking', async () => {
    const { host, port } = new URL(urlOf('live'))
    const headers = { host, cookie: cookies['live']! }
    const socket = new WebSocket(`ws://127.0.0.1:${port}/socket`, { headers, origin: urlOf('live') })
    const echo = new Promise((resolve, reject) => {
      socket.once('error', reject)
      socket.once('message', (data) => resolve(String(data)))
    })
    socket.once('open', () => socket.send('hello'))
    expect(await echo).toBe('anna@mycompany.com: hello')
    socket.terminate()
  })
})
