// A real Chromium at one address, behind which one process of Postern takes the place of another: nobody signs in again, a sign-out in one
// tab ends what the other has open, and who waits for Redis can read so on any screen.
import { once } from 'node:events'
import { type AddressInfo, connect, createServer } from 'node:net'
import type { Browser, BrowserContext, Page } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import { launchBrowser } from '../support/browser.ts'
import { freePort } from '../support/free-port.ts'
import { type IdentityProvider, startIdentityProvider } from '../support/identity-provider.ts'
import { findRedis, persistent, type RedisServer, startRedis } from '../support/redis.ts'
import { type Replica, startReplica } from '../support/replica.ts'
import { accountsOf, clientsOf, configurationOf, originAt, patience } from './sessions-setup.ts'
import { startTalkingPortal, type TalkingPortal } from './talking-portal.ts'

/** One address for whichever process is behind it: what a service is to its pods. */
async function startSwitch() {
  let to = 0
  const server = createServer((client) => {
    const behind = connect(to, '127.0.0.1')
    client.pipe(behind).pipe(client)
    for (const [one, other] of [
      [client, behind],
      [behind, client],
    ] as const)
      one.on('error', () => other.destroy()).on('close', () => other.destroy())
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    port: (server.address() as AddressInfo).port,
    turnTo: (port: number) => {
      to = port
    },
    close: () => void server.close(),
  }
}

describe.skipIf(findRedis() === undefined)('a browser', () => {
  let front: Awaited<ReturnType<typeof startSwitch>>
  let redis: RedisServer
  let provider: IdentityProvider
  let portal: TalkingPortal
  let replicas: readonly [Replica, Replica]
  let chromium: Browser
  let context: BrowserContext
  let page: Page
  let home: string

  beforeAll(async () => {
    front = await startSwitch()
    const originOf = originAt(front.port)
    home = originOf('home')
    ;[redis, portal, chromium] = await Promise.all([startRedis(persistent), startTalkingPortal(), launchBrowser()])
    provider = await startIdentityProvider({
      clients: clientsOf(originOf),
      accounts: accountsOf('anna'),
      ttl: { session: 86_400 },
      backChannelLogout: true,
    })
    const text = configurationOf({ port: front.port, issuer: provider.issuer, portal: portal.url, redis: redis.url })
    const start = async () => startReplica(await freePort(), text)
    replicas = await Promise.all([start(), start()])
    front.turnTo(replicas[0].port)
    context = await chromium.newContext()
    page = await context.newPage()
  })
  afterAll(async () => {
    await chromium?.close()
    front?.close()
    await Promise.all([...(replicas ?? []), provider, portal, redis].map((one) => one?.close()))
  })

  const signIn = async () => {
    await page.goto(`${home}/a`)
    await page.fill('[name=user]', 'anna')
    await page.fill('[name=password]', 'any')
    await page.click('button')
    await page.waitForURL(`${home}/a`)
  }
  /** Opens it in the tab, and remembers there what becomes of it. */
  const openSocket = (tab: Page) =>
    tab.evaluate(`new Promise((resolve) => {
      const socket = new WebSocket('ws://' + location.host + '/socket')
      socket.onopen = () => resolve()
      socket.onclose = () => document.body.append('the socket was closed')
    })`)
  const bodyOf = (tab: Page) => tab.textContent('body')

  it('goes on at another process with the same session, when its own is killed', async () => {
    await signIn()
    await openSocket(page)
    const asked = provider.asked.length
    front.turnTo(replicas[1].port)
    await replicas[0].kill('SIGKILL')
    await page.getByText('the socket was closed').waitFor()
    expect((await page.reload())?.status()).toBe(200)
    expect(await bodyOf(page)).toContain('anna@company.com')
    expect((await page.goto(`${home}/b`))?.status()).toBe(200)
    expect(await bodyOf(page)).toContain('anna@company.com')
    await openSocket(page)
    expect(provider.asked).toHaveLength(asked)
  })

  it('reads on any screen that Redis is gone, and is in again when it is back', async () => {
    const before = await context.cookies()
    await redis.kill()
    await vi.waitFor(async () => expect((await page.goto(`${home}/c`))?.status()).toBe(503), patience)
    for (const width of [1280, 360]) {
      await page.setViewportSize({ width, height: 760 })
      const box = await page.getByRole('link', { name: 'Try again' }).boundingBox()
      expect(box && box.x >= 0 && box.x + box.width <= width).toBe(true)
      expect(await page.getByText('Request ID:').isVisible()).toBe(true)
      expect(await page.evaluate('document.documentElement.scrollWidth')).toBeLessThanOrEqual(width)
      const folder = process.env['POSTERN_SCREENSHOTS']
      if (folder) await page.screenshot({ path: `${folder}/store-${width}.png` })
    }
    expect(await context.cookies()).toEqual(before)
    await redis.start()
    await vi.waitFor(async () => {
      await page.getByRole('link', { name: 'Try again' }).click({ timeout: 1000 })
      expect(await bodyOf(page)).toContain('anna@company.com')
    }, patience)
    expect(new URL(page.url()).pathname).toBe('/c')
  })

  it('has its WebSocket closed by the sign-out in another tab', async () => {
    await openSocket(page)
    const other = await context.newPage()
    await other.goto(`${home}/_postern/logout?scope=local`)
    await other.waitForURL(/signed-out/)
    await page.getByText('the socket was closed').waitFor()
    expect((await context.cookies()).map(({ name }) => name)).not.toContain('postern-home')
    // the provider knows them still: they are in again at once, and are not sent in circles
    const asked = provider.asked.filter((path) => path.startsWith('/auth?')).length
    expect((await page.goto(`${home}/a`))?.status()).toBe(200)
    expect(await bodyOf(page)).toContain('anna@company.com')
    expect(provider.asked.filter((path) => path.startsWith('/auth?'))).toHaveLength(asked + 1)
  })
})
