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

async function signInAs(user: string): Promise<void> {
  await page.getByLabel('User name').fill(user)
  await page.getByLabel('Password').fill(`${user}-pw`)
  await page.getByRole('button', { name: 'Sign in' }).click()
}
const heading = (text: string | RegExp) => page.getByRole('heading', { level: 1, name: text }).waitFor()

it('greets Anna, and lets her walk to the live portal without another password', async () => {
  await page.goto(`${urlOf('home')}/?from=a+mail#part`)
  await signInAs('anna')
  await heading('Hello, anna@mycompany.com')
  expect(page.url()).toBe(`${urlOf('home')}/?from=a+mail#part`)
  await page.getByRole('link', { name: 'live' }).click()
  await heading('Live')
  await page.getByText('anna@mycompany.com: hello').waitFor()
  await page.locator('#clock', { hasText: /^20\d\d-/ }).waitFor()
  await page.getByLabel('Say something').fill('Grüße')
  await page.getByRole('button', { name: 'Send' }).click()
  await page.getByText('anna@mycompany.com: Grüße').waitFor()
})

it('takes a file of Bert, by fetch and by form', async () => {
  const sha256 = '2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824'
  await page.goto(urlOf('upload'))
  await signInAs('bert')
  await page.getByLabel('A file').setInputFiles({ name: 'ä.txt', mimeType: 'text/plain', buffer: Buffer.from('hello') })
  await page.getByRole('button', { name: 'by fetch' }).click()
  await page.locator('#receipt', { hasText: sha256 }).waitFor()
  await page.getByRole('button', { name: 'by form' }).click()
  await heading('Received')
  expect(await page.locator('table').textContent()).toContain(sha256)
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
