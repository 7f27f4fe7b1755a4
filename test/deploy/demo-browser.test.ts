// The demo in a real Chromium: what somebody does in the first five minutes.
import type { Browser, Page } from 'playwright-core'
import { afterAll, afterEach, beforeAll, beforeEach, expect, it } from 'vitest'
import { demo } from '../../src/commands/demo.ts'
import { launchBrowser } from '../support/browser.ts'

const lines: string[] = []
let running: { close(): Promise<void> }
let browser: Browser
let page: Page
const urlOf = (portal: string): string => /http:\/\/\S+/.exec(lines.find((line) => line.includes(`//${portal}.localhost`))!)![0]

beforeAll(async () => {
  running = await demo({ port: 0 }, (line) => lines.push(line))
  browser = await launchBrowser()
})
afterAll(async () => {
  await browser?.close()
  await running?.close()
})
beforeEach(async () => {
  page = await browser.newPage()
  page.setDefaultTimeout(10_000)
})
afterEach(() => page.context().close())

const secretOf = { Password: 'pw', PIN: 'pin' } as const
async function signInAs(user: string, secret: keyof typeof secretOf = 'Password'): Promise<void> {
  await page.getByLabel('User name').fill(user)
  await page.getByLabel(secret).fill(`${user}-${secretOf[secret]}`)
  await page.getByRole('button', { name: 'Sign in' }).click()
}
const heading = (text: string | RegExp) => page.getByRole('heading', { level: 1, name: text }).waitFor()
const follow = (name: string | RegExp) => page.getByRole('link', { name }).click()

it('greets Anna, and lets her walk to the vendor portal and its live page without another password', async () => {
  await page.goto(`${urlOf('home')}/?from=a+mail#part`)
  await signInAs('anna')
  await heading('Hello, anna@mycompany.com')
  expect(page.url()).toBe(`${urlOf('home')}/?from=a+mail#part`)
  await follow('vendor')
  await follow('Login with PLAY')
  await heading('Hello, anna@mycompany.com')
  await follow('live')
  await heading('Live')
  await page.getByText('anna@mycompany.com: hello').waitFor()
  await page.locator('#clock', { hasText: /^20\d\d-/ }).waitFor()
  await page.getByLabel('Say something').fill('Grüße')
  await page.getByRole('button', { name: 'Send' }).click()
  await page.getByText('anna@mycompany.com: Grüße').waitFor()
})

it('takes a file of Bert, by fetch and by form', async () => {
  const sha256 = '2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824'
  await page.goto(`${urlOf('client')}/upload`)
  await follow('Login with PLAY')
  await signInAs('bert')
  await page.getByLabel('A file').setInputFiles({ name: 'ä.txt', mimeType: 'text/plain', buffer: Buffer.from('hello') })
  await page.getByRole('button', { name: 'by fetch' }).click()
  await page.locator('#receipt', { hasText: sha256 }).waitFor()
  await page.getByRole('button', { name: 'by form' }).click()
  await heading('Received')
  expect(await page.locator('table').textContent()).toContain(sha256)
})

it('offers at the vendor portal what there is, and shows first what was chosen last time', async () => {
  await page.goto(urlOf('vendor'))
  const offered = () => page.getByRole('link', { name: /^Login with/ }).allTextContents()
  expect(await offered()).toEqual(['Login with PLAY', 'Login with a security key'])
  await follow('Login with a security key')
  await signInAs('carl', 'PIN')
  await heading('Hello, carl@other.org')
  await page.goto(`${urlOf('vendor')}/_postern/logout?scope=local`)
  await page.goto(urlOf('vendor'))
  expect((await offered()).map((text) => text.replace(/\s+/g, ' ').trim())).toEqual([
    'Login with a security key',
    'Login with PLAY',
  ])
})

it('finds the provider of an e-mail address', async () => {
  await page.goto(urlOf('vendor'))
  await page.getByRole('textbox').fill('nobody@elsewhere.example')
  await page.getByRole('textbox').press('Enter')
  await page.getByText('nobody@elsewhere.example').waitFor()
  await page.getByRole('textbox').fill('carl@other.org')
  await page.getByRole('textbox').press('Enter')
  await heading('FIDO, a demo identity provider')
  expect(await page.getByLabel('User name').inputValue()).toBe('carl')
})

it("asks Anna for her key before the vault, and refuses somebody else's", async () => {
  await page.goto(urlOf('home'))
  await signInAs('anna')
  await follow('vault')
  await heading('FIDO, a demo identity provider')
  await signInAs('bert', 'PIN')
  await page.getByText('You signed in as somebody else than before').waitFor()
  await page.goto(urlOf('home'))
  await heading('Hello, anna@mycompany.com')
})

it('opens the vault for Anna and her key', async () => {
  await page.goto(urlOf('home'))
  await signInAs('anna')
  await follow('vault')
  expect(await page.getByLabel('User name').inputValue()).toBe('anna')
  await signInAs('anna', 'PIN')
  await heading('The vault')
  await page.getByText('anna@mycompany.com has shown a security key').waitFor()
})

it("says in the company's words why a password is not changed here", async () => {
  await page.goto(urlOf('home'))
  await signInAs('anna')
  await follow('password')
  await page.getByRole('button', { name: 'Change it' }).click()
  await page.getByText('Your password is kept by your company, not by this portal.').waitFor()
})

it("leaves the client portal's own sign-in to those who want it", async () => {
  await page.goto(urlOf('client'))
  await follow("Use the client portal's own sign-in")
  await page.getByLabel('User name of this portal').fill('dora')
  await page.getByLabel('Password of this portal').fill('dora-pw')
  await page.getByRole('button', { name: 'Sign in to the portal' }).click()
  await heading('Hello, dora')
})

it('refuses Carl, tells him why, and offers him to sign in as somebody else', async () => {
  await page.goto(urlOf('home'))
  await signInAs('carl')
  await page.getByText('This demo is for people of mycompany.com.').waitFor()
  expect(await page.locator('main').textContent()).toContain('carl@other.org')
  await page.getByRole('link', { name: /somebody else/i }).click()
  await signInAs('bert')
  await heading('Hello, bert@mycompany.com')
})

it('signs Anna out at the portal and at the identity provider', async () => {
  await page.goto(urlOf('home'))
  await signInAs('anna')
  await page.getByRole('link', { name: 'Sign out' }).click()
  await page.getByRole('button', { name: 'Sign out' }).click()
  await page.waitForURL(/\/_postern\/signed-out/)
  await page.goto(urlOf('home'))
  await page.getByLabel('User name').waitFor()
})
