import type { Browser, BrowserContextOptions, Page } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest'
import { type Rendered, renderPage } from '../../src/views/pages.ts'
import { launchBrowser } from '../support/browser.ts'
import { complaints, faintTexts, focused, lightness, selected } from './browser-readings.js'
import { type PageServer, servePages } from './page-server.ts'
import { choices, requestId, samples, settings } from './samples.ts'

const logo =
  "data:image/svg+xml,%3Csvg%20xmlns='http://www.w3.org/2000/svg'%20width='160'%20height='40'%3E%3Crect%20width='160'%20height='40'/%3E%3C/svg%3E"
const named = (prefix: string, pages: Readonly<Record<string, Rendered>>) =>
  Object.fromEntries(Object.entries(pages).map(([name, page]) => [`${prefix}-${name}`, page]))
const hostile = `<script>document.title='stolen'</script>"><img src=x onerror="document.title='stolen'">`
const endless = 'Donaudampfschifffahrtselektrizitätenhauptbetriebswerkbauunterbeamtengesellschaft'
const pages: Record<string, Rendered> = {
  ...named('en', samples(settings)),
  ...named('de', samples({ ...settings, language: 'de', logo })),
  endless: renderPage(
    {
      name: 'chooser',
      choices: [{ label: endless, href: '/', isDefault: true }],
      returnTo: `https://${endless}.example/`,
      notice: endless,
    },
    { ...settings, title: endless, contact: endless },
    endless,
  ),
  hostile: renderPage(
    {
      name: 'chooser',
      choices: [{ label: hostile, href: '/', isDefault: true, trouble: 'provider-unavailable' }],
      returnTo: '/',
      notice: hostile,
    },
    { ...settings, title: hostile, contact: hostile },
    hostile,
  ),
}
const names = Object.keys(pages)

let browser: Browser
let server: PageServer
beforeAll(async () => {
  browser = await launchBrowser()
  server = await servePages(pages)
})
afterAll(async () => {
  await browser?.close()
  await server?.close()
})

interface Visit {
  readonly page: Page
  /** What the page asked for, and what its policy kept it from. */
  readonly requests: string[]
  readonly violations: string[]
}

async function visit(options: BrowserContextOptions): Promise<Visit> {
  const context = await browser.newContext(options)
  onTestFinished(() => context.close())
  const page = await context.newPage()
  const seen: Visit = { page, requests: [], violations: [] }
  page.on('request', (request) => seen.requests.push(`${request.method()} ${request.url()}`))
  page.on('console', (line) => {
    if (/Content.Security.Policy|X-Frame-Options/i.test(line.text())) seen.violations.push(line.text())
  })
  return seen
}

const sizes = [
  { width: 320, height: 640 },
  { width: 360, height: 740 },
  { width: 1280, height: 800 },
]

describe('every page', () => {
  it('can be read and used on a phone and on a desk, in the light and in the dark', async () => {
    const { page } = await visit({})
    for (const name of names) {
      await page.goto(`${server.origin}/${name}`)
      for (const size of sizes) {
        await page.setViewportSize(size)
        expect(await page.evaluate(complaints), `${name} at ${size.width}`).toEqual([])
      }
      for (const colorScheme of ['light', 'dark'] as const) {
        await page.emulateMedia({ colorScheme, reducedMotion: 'reduce' })
        expect(await page.evaluate(faintTexts), `${name} in ${colorScheme}`).toEqual([])
        expect((await page.evaluate(lightness)) > 128, `${name} in ${colorScheme}`).toBe(colorScheme === 'light')
      }
    }
  })

  it('asks nobody for anything, and does nothing its own policy forbids', async () => {
    const { page, requests, violations } = await visit({})
    for (const name of names) await page.goto(`${server.origin}/${name}`)
    expect(requests.filter((line) => !line.includes(' data:'))).toEqual(names.map((name) => `GET ${server.origin}/${name}`))
    expect(violations).toEqual([])
  })

  it('can be used with the keyboard: Tab reaches each action in order and shows where it is', async () => {
    const { page } = await visit({})
    for (const name of names) {
      await page.goto(`${server.origin}/${name}`)
      const actions = await page.locator('a, button, input:not([type=hidden])').allTextContents()
      const reached = []
      for (const _ of actions) {
        await page.keyboard.press('Tab')
        reached.push(await page.evaluate(focused))
      }
      expect(reached, name).toEqual(actions.map((text) => ({ text, outline: 3 })))
    }
  })
})

/** What Chromium shows in a frame that did not want to be one. */
const refusedFrame = 'chrome-error://chromewebdata/'

describe('the policy', () => {
  it('lets no script run, even where one stood in the page', async () => {
    pages['infected'] = {
      ...pages['hostile'],
      body: `${pages['hostile']?.body}<script>document.title='stolen'</script>`,
    } as Rendered
    const { page, violations } = await visit({})
    await page.goto(`${server.origin}/infected`)
    expect(await page.title()).not.toBe('stolen')
    expect(violations.join()).toMatch(/script/)
  })

  it('leaves hostile text as text', async () => {
    const { page } = await visit({})
    await page.goto(`${server.origin}/hostile`)
    expect(await page.locator('.button bdi').textContent()).toBe(
      hostile.slice(0, 119) + (hostile.length > 120 ? '…' : hostile.slice(119)),
    )
    expect(await page.locator('img, script').count()).toBe(0)
  })

  it('lets the page be shown in no frame, and the frame page in one of its own origin', async () => {
    const frames = '<iframe name="a" src="/en-refused"></iframe><iframe name="b" src="/en-frame"></iframe>'
    pages['portal'] = { status: 200, headers: ['Content-Type', 'text/html'], body: frames }
    const other = await servePages({
      foreign: { ...pages['portal'], body: `<iframe name="b" src="${server.origin}/en-frame"></iframe>` },
    })
    onTestFinished(() => other.close())
    const { page, violations } = await visit({})
    await page.goto(`${server.origin}/portal`)
    expect(page.frame('a')?.url()).toBe(refusedFrame)
    expect(await page.frame('b')?.locator('h1').textContent()).toBe('Please sign in')
    expect(violations).toHaveLength(1)
    await page.goto(`${other.origin}/foreign`)
    expect(page.frame('b')?.url()).toBe(refusedFrame)
  })

  it('lets the link of a framed page take the whole window', async () => {
    pages['portal'] = { status: 200, headers: ['Content-Type', 'text/html'], body: '<iframe name="b" src="/en-frame"></iframe>' }
    const { page } = await visit({})
    await page.goto(`${server.origin}/portal`)
    await page.frame('b')?.locator('main a').click()
    await page.waitForURL('**/_postern/login?return=%2F')
    expect(await page.title()).toBe('elsewhere')
  })
})

describe('signing out', () => {
  /** A provider on another origin, where our own logout sends the browser. */
  async function signOut(targets: (provider: string) => readonly string[]): Promise<Visit & { readonly provider: PageServer }> {
    const provider = await servePages({})
    onTestFinished(() => provider.close())
    pages['logout'] = { status: 303, headers: ['Location', `${provider.origin}/end`], body: '' }
    const formTargets = targets(provider.origin)
    pages['confirm'] = renderPage({ name: 'confirm-sign-out', action: '/logout', formTargets }, settings, requestId)
    const seen = await visit({})
    await seen.page.goto(`${server.origin}/confirm`)
    await seen.page.getByRole('button', { name: 'Sign out' }).click()
    return { ...seen, provider }
  }

  it('posts with our own origin, and follows to the provider that was named', async () => {
    const { page, provider } = await signOut((origin) => [`${origin}/end`])
    await page.waitForURL(`${provider.origin}/end`)
    expect(server.asked).toContainEqual({ line: 'POST /logout', origin: server.origin })
  })

  it('goes nowhere else', async () => {
    const { page, provider, violations } = await signOut(() => [])
    await expect.poll(() => violations.join()).toMatch(/form-action/)
    expect(page.url()).toBe(`${server.origin}/confirm`)
    expect(provider.asked).toEqual([])
  })
})

describe('a person', () => {
  it('chooses a provider with a click', async () => {
    const { page } = await visit({ hasTouch: true })
    await page.goto(`${server.origin}/en-chooser`)
    await page.getByRole('link', { name: 'Login with PLAY' }).tap()
    await page.waitForURL(`${server.origin}${choices[0]?.href}`)
    expect(await page.title()).toBe('elsewhere')
  })

  it('selects the whole request id with one click', async () => {
    const { page } = await visit({})
    await page.goto(`${server.origin}/en-internal`)
    await page.locator('code').click()
    expect(await page.evaluate(selected)).toBe(requestId)
  })

  it('tries again where a page failed, with GET', async () => {
    const { page, requests } = await visit({})
    await page.goto(`${server.origin}/en-portal-unreachable`)
    await page.getByRole('link', { name: 'Try again' }).click()
    expect(requests).toEqual(Array(2).fill(`GET ${server.origin}/en-portal-unreachable`))
  })
})
