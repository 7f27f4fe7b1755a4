// Nothing typed is lost: a form that meets the end of a session is kept, and sent once the same person has signed in again.
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { type IdentityProvider, startIdentityProvider } from '../support/identity-provider.ts'
import { listenOnLoopback } from '../support/loopback.ts'
import { type MirrorPortal, type Seen, startMirrorPortal, valuesOf } from '../support/mirror-portal.ts'
import { type RunningPostern, startPostern, testKey } from '../support/postern.ts'
import { connectRaw, type RawResponse } from '../support/raw-http.ts'
import { createVisitor, type LoadOptions, type Page, type Visitor } from '../support/visitor.ts'

let provider: IdentityProvider
let portal: MirrorPortal
let postern: RunningPostern
let home: string
let pair: string
let team: string

const urlEncoded = 'application/x-www-form-urlencoded'
const typed = 'text=Gr%C3%BC%C3%9Fe%0D%0Aan+alle%3A+%22%3Cscript%3E%22+%26amp%3B&to=%F0%9F%90%8E&submit=&_token=1&_token=2'
const hour = 3_600_000
const configuration = (port: number, issuer: string): string => `
server:
  publicUrl: http://home.localhost:${port}
session: { keys: [${testKey}], idle: 30m, lifetime: 8h }
providers:
  - { name: PLAY, protocol: OIDC, issuer: "${issuer}", clientId: postern, clientSecret: s3cret }
  - { name: SPARE, protocol: OIDC, issuer: "${issuer}", clientId: postern, clientSecret: s3cret }
portals:
  - { name: home, host: home.localhost, upstream: ${portal.url}, providers: [PLAY], headers: { iv-user: account }, routes: [{ path: /api/**, challenge: 401 }, { path: /bank/**, reauthenticate: 5m }] }
  - { name: pair, host: pair.localhost, publicUrl: "http://pair.localhost:${port}", upstream: ${portal.url}, providers: [PLAY, SPARE], headers: { iv-user: account } }
  - { name: unknown, host: unknown.localhost, publicUrl: "http://unknown.localhost:${port}", upstream: ${portal.url}, providers: [SPARE] }
  - { name: one, host: team.localhost, publicUrl: "http://team.localhost:${port}", upstream: ${portal.url}, providers: [PLAY], session: { group: team } }
  - { name: two, host: team.localhost, publicUrl: "http://team.localhost:${port}", path: /two, upstream: ${portal.url}, providers: [PLAY], session: { group: team } }
  - { name: annex, host: home.localhost, path: /annex, upstream: ${portal.url}, providers: [PLAY], headers: { iv-user: account } }
`

beforeAll(async () => {
  portal = await startMirrorPortal()
  const place = await listenOnLoopback(() => undefined) // each must know the other's address before it starts
  await place.close()
  postern = await startPostern({ configuration: (port) => configuration(port, place.origin) })
  home = `http://home.localhost:${postern.port}`
  pair = `http://pair.localhost:${postern.port}`
  team = `http://team.localhost:${postern.port}`
  const redirect_uris = [home, pair, team].map((origin) => `${origin}/_postern/callback/PLAY`)
  provider = await startIdentityProvider({
    port: place.port,
    clients: [{ client_id: 'postern', client_secret: 's3cret', redirect_uris }],
    accounts: { anna: { claims: { email: 'anna@company.com' } }, bert: { claims: { email: 'bert@company.com' } } },
  })
})
afterAll(async () => {
  await postern?.stop()
  await portal?.close()
  await provider?.close()
})
beforeEach(() => void portal.seen.splice(0))

/** A page of the portal posting its form. */
const form = (origin: string, body: string, headers: Readonly<Record<string, string>> = {}): LoadOptions => ({
  method: 'POST',
  body,
  headers: { 'Content-Type': urlEncoded, Origin: origin, 'Sec-Fetch-Site': 'same-origin', ...headers },
})
async function signIn(visitor: Visitor, url: string, account: string): Promise<Page> {
  const away = await visitor.follow(url)
  return visitor.follow(await provider.signIn(away.location ?? '', account))
}
/** Somebody who was signed in, an hour ago. */
async function gone(account = 'anna', url = `${home}/`): Promise<Visitor> {
  const visitor = createVisitor()
  expect((await signIn(visitor, url, account)).status).toBe(200)
  postern.time.now += hour
  portal.seen.splice(0)
  return visitor
}
const keysOf = (visitor: Visitor, host = 'home.localhost'): readonly string[] =>
  [...(visitor.jar.get(host)?.keys() ?? [])].filter((name) => /\.k[0-9a-z]{9}/.test(name))
const slotOf = (page: Page): string | null => new URL(page.location ?? '', page.url).searchParams.get('kept')
const posts = (): readonly Seen[] => portal.seen.filter(({ method }) => method === 'POST')

/** What a browser reads in the page's form, and would post. */
function formIn({ body, url }: Page): { readonly action: string; readonly fields: string } {
  const text = (value = '') => value.replace(/&(#\d+|amp|lt|gt|quot);/g, (_, name: string) => named[name] ?? character(name))
  const named: Readonly<Record<string, string>> = { amp: '&', lt: '<', gt: '>', quot: '"' }
  const character = (name: string) => String.fromCharCode(Number(name.slice(1)))
  const [, action] = /<form method="post" action="([^"]*)">/.exec(body) ?? []
  const fields = [...body.matchAll(/<input type="hidden" name="([^"]*)" value="([^"]*)">/g)]
  return {
    action: new URL(text(action), url).href,
    fields: new URLSearchParams(fields.map(([, name, value]) => [text(name), text(value)])).toString(),
  }
}
const sendAgain = (visitor: Visitor, page: Page): Promise<Page> => {
  const { action, fields } = formIn(page)
  return visitor.follow(action, form(new URL(page.url).origin, fields))
}
/** From the redirect of the POST to the page after the sign-in. */
async function comeBack(visitor: Visitor, sent: Page, account = 'anna'): Promise<Page> {
  const away = await visitor.follow(new URL(sent.location ?? '', sent.url).href)
  return visitor.follow(await provider.signIn(away.location ?? '', account))
}

describe('a form that meets the end of a session', () => {
  it('reaches the portal as it was typed, once the same person has signed in again', async () => {
    const visitor = await gone()
    const sent = await visitor.load(`${home}/notes/new?list=a%20b&list=c`, form(home, typed))
    expect(sent.status).toBe(303)
    expect(sent.location).toMatch(
      /^\/_postern\/start\/PLAY\?return=%2Fnotes%2Fnew%3Flist%3Da%2520b%26list%3Dc.*&kept=[0-9A-Za-z_-]{21}$/,
    )
    expect(keysOf(visitor)).toHaveLength(1)
    const page = await comeBack(visitor, sent)
    expect(new URL(page.url).pathname).toBe(`/_postern/resume/${slotOf(sent)}`)
    expect(page.status).toBe(200)
    expect(posts()).toEqual([])
    const answer = await sendAgain(visitor, page)
    expect(answer.status).toBe(200)
    const [seen, ...more] = posts() as [Seen]
    expect(more).toEqual([])
    expect([seen.target, seen.body]).toEqual(['/notes/new?list=a%20b&list=c', typed])
    expect(valuesOf(seen, 'content-type')).toEqual([urlEncoded])
    expect(valuesOf(seen, 'iv-user')).toEqual(['anna@company.com'])
    expect(valuesOf(seen, 'cookie')).toEqual([])
  })

  it('comes back in a page that is never stored, whose one script has a nonce of its own', async () => {
    const nonces = new Set<string>()
    for (let i = 0; i < 2; i++) {
      const visitor = await gone()
      const page = await comeBack(visitor, await visitor.load(`${home}/`, form(home, typed)))
      const policy = String(page.headers['content-security-policy'])
      const nonce = /script-src 'nonce-([^']{24})'/.exec(policy)?.[1] ?? ''
      expect(policy).toMatch(/^default-src 'none'; .*frame-ancestors 'none'; base-uri 'none'$/)
      // a browser holds redirections after the form to it: our own sign-in, and portals this person may know of
      expect(policy).toContain(`; form-action 'self' ${home} ${pair} ${team} ${provider.issuer}; `)
      expect(page.body.match(/<script/g)).toHaveLength(1)
      expect(page.body).toContain(`<script nonce="${nonce}">`)
      expect(page.body).toMatch(/<button[^>]*>Send it now<\/button>/)
      expect(page.headers['cache-control']).toBe('no-store')
      expect(page.headers['x-frame-options']).toBe('DENY')
      expect(page.headers['referrer-policy']).toBe('same-origin')
      expect(keysOf(visitor)).toEqual([])
      nonces.add(nonce)
    }
    expect(nonces.size).toBe(2)
  })

  it('comes back once: afterwards there is a page that says so, with a way to the portal', async () => {
    const visitor = await gone()
    const sent = await visitor.load(`${home}/notes?a=1`, form(home, typed))
    const cookies = visitor.cookieHeader(home)
    const page = await comeBack(visitor, sent)
    const again = await visitor.load(page.url, { headers: { Cookie: `${visitor.cookieHeader(home)}; ${cookies}` } })
    expect(again.status).toBe(400)
    expect(again.body).toContain('could not be kept')
    expect(again.body).toContain('href="/notes?a=1"')
    expect(again.body).not.toContain('alle')
    expect(posts()).toEqual([])
  })

  it('is not given to somebody else who signs in at the same browser, and not to the first one afterwards', async () => {
    const visitor = await gone()
    const sent = await visitor.load(`${home}/notes`, form(home, typed))
    const cookies = visitor.cookieHeader(home)
    const page = await comeBack(visitor, sent, 'bert')
    expect(page.status).toBe(400)
    expect(page.body).not.toContain('alle')
    expect(page.body).toContain('href="/notes"')
    expect((await visitor.load(`${home}/_postern/session`, { xhr: true })).body).toContain('bert@company.com')
    const key = cookies.split('; ').find((cookie) => cookie.includes('.k')) as string
    const first = createVisitor()
    await signIn(first, `${home}/`, 'anna')
    const late = await first.load(page.url, { headers: { Cookie: `${first.cookieHeader(home)}; ${key}` } })
    expect(late.status).toBe(400)
  })

  it('is not given to the same person in another browser, at another portal, or to nobody', async () => {
    const visitor = await gone()
    const sent = await visitor.load(`${home}/notes`, form(home, typed))
    const slot = slotOf(sent)
    const other = createVisitor()
    await signIn(other, `${home}/`, 'anna')
    expect((await other.load(`${home}/_postern/resume/${slot}?return=%2F`)).status).toBe(400)
    await signIn(other, `${home}/annex/`, 'anna')
    const key = visitor
      .cookieHeader(home)
      .split('; ')
      .find((cookie) => cookie.includes('.k')) as string
    const there = await other.load(`${home}/_postern/resume/${slot}?return=%2Fannex%2F`, {
      headers: { Cookie: `${other.cookieHeader(home)}; ${key}` },
    })
    expect(there.status).toBe(400)
    expect(there.body).toContain('href="/annex/"')
    const nobody = await createVisitor().load(`${home}/_postern/resume/${slot}?return=%2F`, { headers: { Cookie: key } })
    expect([nobody.status, nobody.body.includes('alle')]).toEqual([400, false])
  })

  it('is not given to a portal that shares the session, and is gone then', async () => {
    const visitor = await gone('anna', `${team}/one/`)
    const sent = await visitor.load(`${team}/one/notes`, form(team, typed))
    const key = visitor.cookieHeader(team)
    const back = await visitor.follow(new URL(sent.location ?? '', team).href)
    const landing = await visitor.load(await provider.signIn(back.location ?? '', 'anna'))
    expect(landing.location).toBe(`${team}/_postern/resume/${slotOf(sent)}?return=%2Fone%2Fnotes`)
    const wrong = await visitor.load(`${team}/_postern/resume/${slotOf(sent)}?return=%2Ftwo%2F`)
    expect([wrong.status, wrong.body.includes('href="/two/"')]).toEqual([400, true])
    const late = await visitor.load(landing.location ?? '', { headers: { Cookie: `${visitor.cookieHeader(team)}; ${key}` } })
    expect(late.status).toBe(400)
  })

  it('is gone after ten minutes', async () => {
    const visitor = await gone()
    const sent = await visitor.load(`${home}/notes`, form(home, typed))
    postern.time.now += 10 * 60_000
    const page = await comeBack(visitor, sent)
    expect([page.status, page.body.includes('href="/notes"')]).toEqual([400, true])
  })

  it('survives a reload of the configuration', async () => {
    const visitor = await gone()
    const sent = await visitor.load(`${home}/notes`, form(home, typed))
    expect(await postern.reload()).toBe(true)
    await sendAgain(visitor, await comeBack(visitor, sent))
    expect(posts().map(({ body }) => body)).toEqual([typed])
  })

  it('survives the choice between two providers, and a sign-in that is given up and begun again', async () => {
    const visitor = await gone('anna', `${pair}/_postern/start/PLAY?return=%2F`)
    const sent = await visitor.load(`${pair}/notes`, form(pair, typed))
    expect(sent.location).toMatch(/^\/_postern\/login\?.*&kept=/)
    const chooser = await visitor.follow(new URL(sent.location ?? '', pair).href)
    const start = /href="(\/_postern\/start\/PLAY[^"]*)"/.exec(chooser.body)?.[1]?.replaceAll('&amp;', '&') ?? ''
    const away = await visitor.load(new URL(start, pair).href)
    const state = new URL(away.location ?? '').searchParams.get('state') ?? ''
    const refused = await visitor.load(
      `${pair}/_postern/callback/PLAY?${new URLSearchParams({ error: 'access_denied', state, iss: provider.issuer })}`,
    )
    expect(refused.status).toBe(403)
    const again = /href="(\/_postern\/start\/PLAY[^"]*)"/.exec(refused.body)?.[1]?.replaceAll('&amp;', '&') ?? ''
    const page = await comeBack(visitor, { ...refused, location: again })
    await sendAgain(visitor, page)
    expect(posts().map(({ body }) => body)).toEqual([typed])
  })

  it('is kept as well where the session still runs but the page wants a fresher sign-in', async () => {
    const visitor = createVisitor()
    postern.time.now = Date.now() // the provider's clock is the real one
    await signIn(visitor, `${home}/bank/`, 'anna')
    postern.time.now += 6 * 60_000
    portal.seen.splice(0)
    const sent = await visitor.load(`${home}/bank/transfer`, form(home, 'amount=1'))
    expect(sent.location).toMatch(/&fresh=1&kept=/)
    expect(posts()).toEqual([])
    postern.time.now = Date.now()
    await sendAgain(visitor, await comeBack(visitor, sent))
    expect(posts().map(({ target, body }) => [target, body])).toEqual([['/bank/transfer', 'amount=1']])
  })
})

describe('what is no small form of the portal’s own by somebody known', () => {
  const foreign = 'http://evil.example'
  const cases: readonly (readonly [string, LoadOptions | (() => LoadOptions)])[] = [
    ['an upload', () => form(home, 'x', { 'Content-Type': 'multipart/form-data; boundary=x' })],
    ['plain text', () => form(home, 'a=1', { 'Content-Type': 'text/plain' })],
    ['JSON', () => form(home, '{}', { 'Content-Type': 'application/json' })],
    ['another charset', () => form(home, 'a=1', { 'Content-Type': `${urlEncoded}; charset=iso-8859-1` })],
    ['Latin-1 in disguise', () => form(home, 'a=%E4')],
    ['a compressed body', () => form(home, 'a=1', { 'Content-Encoding': 'gzip' })],
    ['more than 64 KiB', () => form(home, `a=${'x'.repeat(65_535)}`)],
    ['more than 64 KiB that does not say so', () => form(home, `a=${'x'.repeat(99_999)}`, { 'Transfer-Encoding': 'chunked' })],
    ["another site's form", () => form(foreign, 'a=1', { 'Sec-Fetch-Site': 'cross-site' })],
    ["another site's form in the guise of ours", () => form(foreign, 'a=1')],
    ["a sibling site's form", () => form(home, 'a=1', { 'Sec-Fetch-Site': 'same-site' })],
    ['a form that says nothing of its origin', () => form('null', 'a=1', { 'Sec-Fetch-Site': 'none' })],
  ]
  it.each(cases)('is sent to sign in and not kept: %s', async (_, options) => {
    const visitor = await gone()
    const sent = await visitor.load(`${home}/notes`, typeof options === 'function' ? options() : options)
    expect([sent.status, slotOf(sent)]).toEqual([303, null])
    expect(sent.location).toContain('return=%2Fnotes')
    expect(keysOf(visitor)).toEqual([])
    expect(posts()).toEqual([])
  })

  it('is sent to sign in and not kept: a stranger’s', async () => {
    const visitor = createVisitor()
    const sent = await visitor.load(`${home}/notes`, form(home, typed))
    expect([sent.status, slotOf(sent), sent.setCookies]).toEqual([303, null, []])
  })

  it('gets 401 and no redirect where it is an XHR', async () => {
    const visitor = await gone()
    const options = { method: 'POST', body: typed, xhr: true, headers: { 'Content-Type': urlEncoded, Origin: home } }
    for (const path of ['/notes', '/api/notes']) {
      const answer = await visitor.load(home + path, options)
      expect([answer.status, answer.location]).toEqual([401, undefined])
    }
    expect((await visitor.load(`${home}/api/notes`, form(home, typed))).status).toBe(401)
    expect(keysOf(visitor)).toEqual([])
  })

  it('is kept where only one of Origin and Sec-Fetch-Site says whose it is', async () => {
    for (const headers of [{ Origin: 'null' }, { 'Sec-Fetch-Site': 'same-origin' }]) {
      const visitor = await gone()
      expect(slotOf(await visitor.load(`${home}/notes`, form(home, typed, headers)))).not.toBeNull()
    }
  })
})

describe('a body that comes crooked', () => {
  async function raw(visitor: Visitor, ...lines: readonly string[]) {
    const connection = await connectRaw(postern.port)
    const head = ['POST /notes HTTP/1.1', `Host: home.localhost:${postern.port}`, `Cookie: ${visitor.cookieHeader(home)}`]
    const browser = [`Origin: ${home}`, 'Sec-Fetch-Mode: navigate', 'Sec-Fetch-Dest: document', `Content-Type: ${urlEncoded}`]
    connection.send([...head, ...browser, ...lines, '', ''].join('\r\n'))
    return connection
  }
  const locationIn = (answer: RawResponse): string => answer.values('location')[0] ?? ''

  it('is kept where it is empty: a button may be all there is', async () => {
    const visitor = await gone()
    const page = await comeBack(visitor, await visitor.load(`${home}/notes`, form(home, '')))
    expect(page.status).toBe(200)
    await sendAgain(visitor, page)
    expect(posts().map(({ body }) => body)).toEqual([''])
  })

  it('is kept where it has no length at all, and comes in pieces', async () => {
    const visitor = await gone()
    expect(locationIn(await (await raw(visitor)).response())).toContain('&kept=')
    const connection = await raw(visitor, 'Transfer-Encoding: chunked')
    for (const piece of ['2\r\na=\r\n', '1\r\n1\r\n', '0\r\n\r\n']) connection.send(piece)
    expect(locationIn(await connection.response())).toContain('&kept=')
    connection.send(`GET /_postern/session HTTP/1.1\r\nHost: home.localhost:${postern.port}\r\n\r\n`)
    expect((await connection.response()).status).toBe(401)
    connection.close()
  })

  it('is asked for where the client waits to be asked, and only where it will be kept', async () => {
    const visitor = await gone()
    const asked = await raw(visitor, 'Content-Length: 3', 'Expect: 100-continue')
    expect((await asked.response()).status).toBe(100)
    asked.send('a=1')
    expect(locationIn(await asked.response())).toContain('&kept=')
    asked.close()
    const tooLarge = await raw(visitor, 'Content-Length: 70000', 'Expect: 100-continue')
    const answer = await tooLarge.response()
    expect([answer.status, locationIn(answer).includes('kept=')]).toEqual([303, false])
    tooLarge.close()
  })

  it('troubles nobody where the client goes away in the middle', async () => {
    const visitor = await gone()
    for (const half of [false, true]) {
      const before = postern.logs.length
      const connection = await raw(visitor, 'Content-Length: 100')
      connection.send('a=half')
      await new Promise<void>((sent) => connection.socket.end(sent))
      if (half) expect(locationIn(await connection.response())).not.toContain('kept=')
      connection.close()
      // whether it was still there to be answered is a matter of luck
      const status = () => postern.logs.slice(before).find(({ log }) => log === 'access')?.['status']
      await expect.poll(status, { timeout: 10_000 }).toBeOneOf([303, 499])
    }
    expect((await visitor.load(`${home}/_postern/signed-out`)).status).toBe(200)
  })

  it('is answered at once where it grows beyond the limit, however long it goes on', async () => {
    const visitor = await gone()
    const connection = await raw(visitor, 'Transfer-Encoding: chunked')
    const piece = `8000\r\n${'x'.repeat(0x8000)}\r\n`
    for (let i = 0; i < 3; i++) connection.send(piece)
    const answer = await connection.response()
    expect([answer.status, locationIn(answer).includes('kept=')]).toEqual([303, false])
    connection.close()
  })
})

describe('the log', () => {
  it('holds nothing of what was typed, and says why something could not be given back', async () => {
    const visitor = await gone()
    const page = await comeBack(visitor, await visitor.load(`${home}/notes`, form(home, 'pin=hush%21hush')))
    const key = page.setCookies.length
    expect(key).toBeGreaterThan(0)
    await sendAgain(visitor, page)
    await visitor.load(page.url)
    const text = postern.logText()
    for (const secret of ['hush', 'Gr%C3', 'Grüße', 'kept=']) expect([secret, text.includes(secret)]).toEqual([secret, false])
    expect(postern.logs).toContainEqual(
      expect.objectContaining({
        msg: 'what somebody had typed could not be given back',
        why: expect.stringContaining('given back before'),
      }),
    )
  })
})
