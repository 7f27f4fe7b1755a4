// The demo as a person meets it: two real OpenID providers, three portals that were never modified, Postern in front.
import { createHash, randomBytes } from 'node:crypto'
import { request } from 'node:http'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import WebSocket from 'ws'
import { answerProvider, Browser, linkIn, signIn } from '../../deploy/demo/try.ts'
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
    for (const portal of ['home', 'vendor', 'client']) expect(urlOf(portal)).toMatch(/^http:\/\/\w+\.localhost:\d+$/)
    for (const word of ['anna-pw', 'bert-pw', 'carl-pin', 'dora-pw', 'PLAY http://localhost:', 'FIDO http://localhost:'])
      expect(told).toContain(word)
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
    const choice = await browser.get(`${urlOf('vendor')}/seen.json`)
    expect(choice.url.pathname).toBe('/_postern/login')
    const next = await browser.get(linkIn(choice, 'Login with PLAY'))
    expect([next.status, next.url.href]).toEqual([200, `${urlOf('vendor')}/seen.json`])
    expect(seenBy(next.body).user).toBe('bert@mycompany.com')
  })

  it('lets Carl into the vendor portal, whose security key FIDO knows and whom no rule forbids there', async () => {
    const browser = new Browser()
    const choice = await browser.get(`${urlOf('vendor')}/seen.json`)
    const asked = await browser.get(linkIn(choice, 'Login with a security key'))
    expect(asked.body).toContain('PIN of your security key')
    const landed = await answerProvider(browser, asked, 'carl')
    expect([landed.status, seenBy(landed.body).user]).toEqual([200, 'carl@other.org'])
  })

  it('sends whoever types an e-mail address to the provider of its domain, which has the name filled in', async () => {
    const email = (address: string) => new Browser().get(`${urlOf('vendor')}/_postern/login?email=${encodeURIComponent(address)}`)
    const known = await email('Carl@OTHER.org')
    expect([known.body.includes('FIDO, a demo'), known.url.pathname]).toEqual([true, expect.stringMatching('/interaction/')])
    expect((await email('carl@other.org')).body).toContain('value="carl"')
    expect((await email('anna@mycompany.com')).body).toContain('PLAY, a demo')
    expect((await email('eve@elsewhere.example')).url.pathname).toBe('/_postern/login')
  })

  it('asks Anna for her key too before the vault opens, once, and she stays who PLAY said', async () => {
    const browser = new Browser()
    await signIn(browser, urlOf('home'), 'anna')
    const asked = await browser.get(`${urlOf('home')}/vault`)
    expect(asked.body).toContain('PIN of your security key')
    expect(asked.body).toContain('value="anna"')
    const opened = await answerProvider(browser, asked, 'anna')
    expect([opened.status, opened.url.href]).toEqual([200, `${urlOf('home')}/vault`])
    expect(opened.body).toContain('anna@mycompany.com')
    expect((await browser.get(`${urlOf('home')}/vault`)).status).toBe(200)
  })

  it("keeps the vault shut where somebody else's key is shown, and Anna signed in", async () => {
    const browser = new Browser()
    await signIn(browser, urlOf('home'), 'anna')
    const refused = await answerProvider(browser, await browser.get(`${urlOf('home')}/vault`), 'bert')
    expect(refused.status).toBe(403)
    expect((await browser.get(urlOf('home'))).body).toContain('Hello, anna@mycompany.com')
  })

  it("shows the portal's own password page, and lets nobody change that password", async () => {
    const browser = new Browser()
    await signIn(browser, urlOf('home'), 'anna')
    expect((await browser.get(`${urlOf('home')}/account/password`)).status).toBe(200)
    const refused = await browser.post(new URL('/account/password', urlOf('home')), { password: 'x' })
    expect([refused.status, refused.body.includes('Your password is kept by your company')]).toEqual([403, true])
  })

  it("keeps the client portal's own sign-in beside PLAY", async () => {
    const browser = new Browser()
    const choice = await browser.get(urlOf('client'))
    const own = await browser.get(linkIn(choice, 'own sign-in'))
    expect([own.status, own.body.includes('Password of this portal')]).toEqual([200, true])
    const signedIn = await browser.post(new URL('/', urlOf('client')), { user: 'dora', password: 'dora-pw' })
    expect(signedIn.body).toContain('Hello, dora')
    const other = await signIn(new Browser(), linkIn(choice, 'PLAY').href, 'anna')
    expect(other.body).toContain('Hello, anna@mycompany.com')
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
    await signIn(browser, linkIn(await browser.get(urlOf('vendor')), 'PLAY').href, 'anna')
    await browser.get(linkIn(await browser.get(urlOf('client')), 'PLAY'))
    cookies = { vendor: browser.cookiesFor('vendor.localhost'), client: browser.cookiesFor('client.localhost') }
  })

  /** Resolves with the first chunk of the answer, and ends the request then. */
  function first(
    portal: 'vendor' | 'client',
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
    expect(JSON.parse(await first('client', '/raw?name=x', 'PUT', file))).toEqual({ name: 'x', size: file.length, sha256 })
  })

  it('take a file by form', async () => {
    const form = new FormData()
    form.set('file', new File([file], 'x.bin'))
    const encoded = new Response(form)
    const body = Buffer.from(await encoded.arrayBuffer())
    const page = await first('client', '/form', 'POST', body, encoded.headers.get('content-type')!)
    expect(page).toContain(sha256)
    expect(page).toContain('x.bin')
  })

  it('push events that arrive while the answer is still open', async () => {
    expect(await first('vendor', '/ticker')).toMatch(/^data: \d{4}-/)
  })

  it('speak over a WebSocket, and know who is talking', async () => {
    const { host, port } = new URL(urlOf('vendor'))
    const headers = { host, cookie: cookies['vendor']! }
    const socket = new WebSocket(`ws://127.0.0.1:${port}/socket`, { headers, origin: urlOf('vendor') })
    const echo = new Promise((resolve, reject) => {
      socket.once('error', reject)
      socket.once('message', (data) => resolve(String(data)))
    })
    socket.once('open', () => socket.send('hello'))
    expect(await echo).toBe('anna@mycompany.com: hello')
    socket.terminate()
  })
})
