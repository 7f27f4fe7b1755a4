// What only a real browser can show of a kept form: that it sends the very same bytes again by itself, under our policy, and once.
import type { Browser, BrowserContext, Page } from 'playwright-core'
import { afterAll, afterEach, beforeAll, beforeEach, expect, it } from 'vitest'
import { launchBrowser } from '../support/browser.ts'
import { type IdentityProvider, startIdentityProvider } from '../support/identity-provider.ts'
import { type Loopback, listenOnLoopback } from '../support/loopback.ts'
import { type RunningPostern, startPostern, testKey } from '../support/postern.ts'

interface Posted {
  readonly target: string
  readonly body: string
  readonly origin: string | undefined
  readonly referer: string | undefined
  readonly account: string | undefined
}

let portal: Loopback
let provider: IdentityProvider
let postern: RunningPostern
let browser: Browser
let context: BrowserContext
let page: Page
let home: string
let vendor: string
const posted: Posted[] = []
const complaints: string[] = []

const formPage = `<!doctype html><meta charset="utf-8"><title>Write</title><h1>Write</h1>
<form method="post" action="/notes?list=a%20b&amp;n=1"><label>Text <textarea name="text"></textarea></label>
<label>To <input name="to"></label><input type="hidden" name="submit" value="x"><input type="hidden" name="action" value="/elsewhere">
<input type="hidden" name="__proto__" value="p"><input type="hidden" name="_charset_"><input type="hidden" name="a&quot;&amp;b" value="'\`<>">
<select name="many" multiple><option selected>1<option selected>2</select><button name="go" value="Save">Save</button></form>
<form method="post" action="/leave"><button>Leave</button></form>`

beforeAll(async () => {
  portal = await listenOnLoopback((request, response) => {
    const chunks: Buffer[] = []
    request.on('data', (chunk: Buffer) => void chunks.push(chunk))
    request.on('end', () => {
      const { origin, referer } = request.headers
      const account = request.headers['iv-user'] as string | undefined
      if (request.method === 'POST')
        posted.push({ target: request.url ?? '', body: Buffer.concat(chunks).toString('latin1'), origin, referer, account })
      if (request.url === '/leave') return void response.writeHead(303, { Location: `${vendor}/` }).end()
      response.writeHead(200, { 'Content-Type': 'text/html; charset=utf-8' })
      response.end(request.method === 'POST' ? `<title>Saved</title><h1>Saved</h1>` : formPage)
    })
  })
  const place = await listenOnLoopback(() => undefined) // each must know the other's address before it starts
  await place.close()
  postern = await startPostern({
    configuration: (port) => `
server:
  publicUrl: http://home.localhost:${port}
session: { keys: [${testKey}], idle: 30m, lifetime: 8h }
providers:
  - { name: PLAY, protocol: OIDC, issuer: "${place.origin}", clientId: postern, clientSecret: s3cret }
portals:
  - { name: home, host: home.localhost, upstream: ${portal.origin}, providers: [PLAY], headers: { iv-user: account } }
  - { name: vendor, host: vendor.localhost, publicUrl: "http://vendor.localhost:${port}", upstream: ${portal.origin}, providers: [PLAY], routes: [{ path: /**, access: public }] }
`,
  })
  home = `http://home.localhost:${postern.port}`
  vendor = `http://vendor.localhost:${postern.port}`
  provider = await startIdentityProvider({
    port: place.port,
    clients: [{ client_id: 'postern', client_secret: 's3cret', redirect_uris: [`${home}/_postern/callback/PLAY`] }],
    accounts: { anna: { claims: { email: 'anna@company.com' } }, bert: { claims: { email: 'bert@company.com' } } },
  })
  browser = await launchBrowser()
})
afterAll(async () => {
  await browser?.close()
  await postern?.stop()
  await provider?.close()
  await portal?.close()
})
beforeEach(() => open())
afterEach(() => context.close())

async function open(javaScriptEnabled = true): Promise<void> {
  await context?.close()
  posted.splice(0)
  complaints.splice(0)
  context = await browser.newContext({ javaScriptEnabled })
  page = await context.newPage()
  page.setDefaultTimeout(10_000)
  page.on('console', (message) => {
    if (/Content Security Policy/i.test(message.text())) complaints.push(message.text())
  })
}
async function signInAs(user: string): Promise<void> {
  await page.locator('input[name=user]').fill(user)
  await page.locator('input[name=password]').fill('any')
  await page.getByRole('button', { name: 'Sign in' }).click()
}
const heading = (text: string) => page.getByRole('heading', { level: 1, name: text }).waitFor()
async function write(): Promise<void> {
  await page.getByLabel('Text').fill('Grüße 🐎\n\n </textarea></script><b>"quoted" & more+\t100%\n')
  await page.getByLabel('To').fill("  O'Brien; ")
}
/** The session ends, and the provider's with it: somebody has to sign in again. */
async function timePasses(): Promise<void> {
  postern.time.now += 3_600_000
  await context.clearCookies({ domain: '127.0.0.1' })
}
const save = () => page.getByRole('button', { name: 'Save' }).click()

it('sends what was typed by itself, byte for byte as the portal’s own page would have', async () => {
  await page.goto(`${home}/write`)
  await signInAs('anna')
  await write()
  await save()
  await heading('Saved')
  await page.goto(`${home}/write`)
  await write()
  await timePasses()
  await save()
  await signInAs('anna')
  await heading('Saved')
  const [live, kept, ...more] = posted as [Posted, Posted]
  expect(more).toEqual([])
  expect(kept.body).toBe(live.body)
  expect(kept.body).toContain('_charset_=UTF-8')
  expect([kept.target, kept.account]).toEqual(['/notes?list=a%20b&n=1', 'anna@company.com'])
  expect(kept.origin).toBe(home)
  expect(kept.referer).toMatch(new RegExp(`^${home}/_postern/resume/`))
  expect(page.url()).toBe(`${home}/notes?list=a%20b&n=1`)
  expect(complaints).toEqual([])
  const names = (await context.cookies(home)).map(({ name }) => name)
  expect(names.filter((name) => name.includes('.k'))).toEqual([])
})

it('sends it once, however often somebody goes back and forth', async () => {
  await page.goto(`${home}/write`)
  await signInAs('anna')
  await write()
  await timePasses()
  await save()
  await signInAs('anna')
  await heading('Saved')
  await page.goBack()
  await page.goForward().catch(() => undefined) // a browser may ask before it posts again, and there is nobody to answer
  const { referer = '' } = posted[0] as Posted
  await page.goto(referer)
  await heading('Please send it again')
  expect(posted).toHaveLength(1)
  await page.getByRole('link', { name: 'Open the page' }).click()
  await heading('Write')
  expect(posted).toHaveLength(1)
})

it('waits for a button where the browser runs no script', async () => {
  await open(false)
  await page.goto(`${home}/write`)
  await signInAs('anna')
  await write()
  await timePasses()
  await save()
  await signInAs('anna')
  await heading('You are signed in again')
  expect(posted).toEqual([])
  await page.getByRole('button', { name: 'Send it now' }).click()
  await heading('Saved')
  expect(posted).toHaveLength(1)
})

it('is kept again where the second session ends too before the button is pressed', async () => {
  await open(false)
  await page.goto(`${home}/write`)
  await signInAs('anna')
  await write()
  await timePasses()
  await save()
  await signInAs('anna')
  await timePasses()
  await page.getByRole('button', { name: 'Send it now' }).click()
  await signInAs('anna')
  await page.getByRole('button', { name: 'Send it now' }).click()
  await heading('Saved')
  expect(posted).toHaveLength(1)
})

it('follows the portal to another portal after the form', async () => {
  await page.goto(`${home}/write`)
  await signInAs('anna')
  await timePasses()
  await page.getByRole('button', { name: 'Leave' }).click()
  await signInAs('anna')
  await page.waitForURL(`${vendor}/`)
  await heading('Write')
  expect(posted.map(({ target, body }) => [target, body])).toEqual([['/leave', '']])
  expect(complaints).toEqual([])
})

it('gives nothing of it to somebody else who signs in', async () => {
  await page.goto(`${home}/write`)
  await signInAs('anna')
  await write()
  await timePasses()
  await save()
  await signInAs('bert')
  await heading('Please send it again')
  expect(await page.content()).not.toContain('Brien')
  await page.getByRole('link', { name: 'Open the page' }).click()
  await heading('Write')
  expect(posted).toEqual([])
})
