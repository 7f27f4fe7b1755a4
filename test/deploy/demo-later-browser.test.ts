// The demo in a real Chromium, where time passes and where the providers are gone: what people type is kept, and the glass is broken.
import type { Browser, Page } from 'playwright-core'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest'
import { type Demo, startDemo } from '../../deploy/demo/start.ts'
import { type ServeOptions, serve } from '../../src/commands/serve.ts'
import { launchBrowser } from '../support/browser.ts'

let browser: Browser
let page: Page
let lines: string[]
const log = () => lines.join('')
const start = (more: Partial<ServeOptions> = {}) => {
  lines = []
  const destination = { write: (text: string) => void lines.push(text) }
  return startDemo((given) => serve({ ...given, destination, ...more }), 0)
}

beforeAll(async () => {
  browser = await launchBrowser()
})
afterAll(() => browser?.close())
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

describe('a note that takes longer to write than a sign-in counts', () => {
  let demo: Demo
  const time = { now: Date.now() }
  const later = (minutes: number) => {
    time.now += minutes * 60_000
    vi.setSystemTime(time.now)
  }
  beforeAll(async () => {
    demo = await start({ clock: () => time.now })
  })
  afterAll(async () => {
    vi.useRealTimers()
    await demo?.close()
  })
  const note = 'Grüße & "Küsse" <b>an alle</b>'
  async function write(): Promise<void> {
    await page.goto(`${demo.portals.home}/notes`)
    await signInAs('anna')
    await page.getByLabel('A note').fill(note)
    later(2)
    await page.getByRole('button', { name: 'Write it down' }).click()
    await heading('PLAY, a demo identity provider')
  }

  it('is written down as it was typed, once Anna has said again who she is', async () => {
    await write()
    await signInAs('anna')
    await page.getByText(`anna@mycompany.com: ${note}`).waitFor()
    expect(page.url()).toBe(`${demo.portals.home}/notes`)
    expect(await page.getByRole('listitem').count()).toBe(1)
  })

  it('is not written down by Bert, and Anna stays signed in', async () => {
    await write()
    await signInAs('bert')
    await page.getByText('You signed in as somebody else than before').waitFor()
    await page.goto(`${demo.portals.home}/notes`)
    await heading('Notes')
    expect(await page.getByRole('listitem').count()).toBe(1)
    expect(log()).not.toMatch(/K(ü|%C3%BC)sse/)
  })
})

describe('with the providers gone', () => {
  let demo: Demo
  beforeAll(async () => {
    demo = await start({ enforceLocal: new Set(['client']) })
  })
  afterAll(() => demo?.close())

  it('a portal whose glass is broken lets its own sign-in answer, and nobody is sent to a provider', async () => {
    await page.goto(`${demo.portals.client}/upload`)
    await page.getByText('Nobody told this portal who you are').waitFor()
    await page.getByLabel('User name of this portal').fill('dora')
    await page.getByLabel('Password of this portal').fill('dora-pw')
    await page.getByRole('button', { name: 'Sign in to the portal' }).click()
    await heading('Hello, dora')
    expect(log()).toContain('BREAK-GLASS')
    expect(await (await fetch(demo.health)).text()).toContain('client')
  })

  it('every other portal asks for a sign-in as ever', async () => {
    await page.goto(demo.portals.home)
    await heading('PLAY, a demo identity provider')
  })
})
