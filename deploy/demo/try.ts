// Signs in at the running demo over HTTP, as a browser would, and prints what the portal saw.
//   node deploy/demo/try.ts http://home.localhost:8080 [anna]
import { type IncomingHttpHeaders, request } from 'node:http'
import { text } from 'node:stream/consumers'
import { pathToFileURL } from 'node:url'
import { accounts } from './accounts.ts'

interface Reply {
  readonly url: URL
  readonly status: number
  readonly headers: IncomingHttpHeaders
  readonly body: string
}

/** A browser as small as can be: cookies per host, redirects followed, `*.localhost` is loopback (RFC 6761, section 6.3). */
export class Browser {
  readonly #jars = new Map<string, Map<string, string>>()
  /** Every address visited, in order. */
  readonly visited: string[] = []

  async get(url: string | URL, headers: Record<string, string> = {}): Promise<Reply> {
    return this.#follow(await this.send('GET', new URL(url), '', headers))
  }

  async post(url: URL, fields: Record<string, string>): Promise<Reply> {
    return this.#follow(await this.send('POST', url, new URLSearchParams(fields).toString()))
  }

  /** What a browser would send to this host, as a Cookie header. */
  cookiesFor(host: string): string {
    return [...(this.#jars.get(host) ?? [])].map(([name, value]) => `${name}=${value}`).join('; ')
  }

  /** One request, no redirect followed. */
  async send(method: string, url: URL, body = '', headers: Record<string, string> = {}): Promise<Reply> {
    const jar = this.#jars.get(url.hostname) ?? new Map<string, string>()
    this.#jars.set(url.hostname, jar)
    const cookie = this.cookiesFor(url.hostname)
    const reply = await exchange(method, url, body, { ...page, ...(cookie && { cookie }), ...headers })
    for (const line of reply.headers['set-cookie'] ?? []) keep(jar, line)
    this.visited.push(url.href)
    return reply
  }

  async #follow(reply: Reply, left = 15): Promise<Reply> {
    const { location } = reply.headers
    if (reply.status < 301 || reply.status > 308 || !location) return reply
    if (left === 0) throw new Error(`redirected in a circle, last to ${location}`)
    return this.#follow(await this.send('GET', new URL(location, reply.url)), left - 1)
  }
}

const page = { accept: 'text/html', 'sec-fetch-mode': 'navigate', 'sec-fetch-dest': 'document' }

function keep(jar: Map<string, string>, line: string): void {
  const [pair = '', ...attributes] = line.split(';')
  const at = pair.indexOf('=')
  const name = pair.slice(0, at).trim()
  const gone = attributes.some((attribute) => /^\s*(max-age=0|expires=thu, 01 jan 1970.*)$/i.test(attribute))
  if (gone) jar.delete(name)
  else jar.set(name, pair.slice(at + 1))
}

function exchange(method: string, url: URL, body: string, extra: Record<string, string>): Promise<Reply> {
  const headers = {
    host: url.host,
    ...extra,
    ...(method !== 'GET' && { 'content-type': 'application/x-www-form-urlencoded', 'content-length': Buffer.byteLength(body) }),
  }
  return new Promise((resolve, reject) => {
    const options = { host: '127.0.0.1', port: url.port || 80, method, path: url.pathname + url.search, headers, agent: false }
    const sent = request(options, (response) => {
      text(response).then(
        (answer) => resolve({ url, status: response.statusCode ?? 0, headers: response.headers, body: answer }),
        reject,
      )
    })
    sent.once('error', reject)
    sent.end(body)
  })
}

/** Opens `url` and signs in where one of the demo's providers asks; returns where that ended: the portal's answer or a refusal. */
export async function signIn(browser: Browser, url: string, user: string): Promise<Reply> {
  return answerProvider(browser, await browser.get(url), user)
}

/** Fills in the login pages of the demo's providers, one after the other, until one of them is not what is shown. */
export async function answerProvider(browser: Browser, shown: Reply, user: string): Promise<Reply> {
  const account = accounts.find((candidate) => candidate.user === user)
  if (!account) throw new Error(`the demo knows nobody called ${user}`)
  let reply = shown
  for (let asked = 0; asked < 2 && isAsking(reply); asked++) {
    reply = await browser.post(reply.url, { user, password: account.password, pin: account.pin })
  }
  return reply
}

const isAsking = ({ url, status }: Reply): boolean => status === 200 && url.pathname.startsWith('/interaction/')

/** The page's link with this text. */
export function linkIn(page: Reply, text: string): URL {
  const links = [...page.body.matchAll(/<a\b[^>]*href="([^"]*)"[^>]*>([\s\S]*?)<\/a>/g)]
  const found = links.find(([, , shown]) => shown!.replace(/<[^>]*>/g, '').includes(text))
  if (!found) throw new Error(`no link "${text}" at ${page.url.href}`)
  return new URL(found[1]!.replaceAll('&amp;', '&'), page.url)
}

const expected = new Map(accounts.map(({ user, hd }) => [user, hd === 'mycompany.com' ? 200 : 403]))

async function tryOne(home: string, user: string): Promise<boolean> {
  const browser = new Browser()
  const seen = await signIn(browser, new URL('/seen.json?asked=first', home).href, user)
  console.log(
    `\n${user}: ${seen.status} at ${seen.url.href}\n  by way of ${browser.visited.map((url) => url.split('?')[0]).join('\n            ')}`,
  )
  if (seen.status !== expected.get(user)) return false
  if (seen.status !== 200) return true
  console.log(`  the portal saw ${seen.body.replaceAll('\n', '\n  ')}`)
  return seenAs(seen, user) && (await goesOn(browser, home, user))
}

/** The person must land on the address first asked for, query included, and the portal must know them. */
function seenAs(seen: Reply, user: string): boolean {
  return seen.url.search === '?asked=first' && JSON.parse(seen.body).user === `${user}@mycompany.com`
}

/** At the second portal PLAY asks nobody again; the vault of the first asks for a key, and the person stays who they are. */
async function goesOn(browser: Browser, home: string, user: string): Promise<boolean> {
  const vendor = new URL('/seen.json?asked=first', home)
  vendor.hostname = 'vendor.localhost'
  const next = await browser.get(linkIn(await browser.get(vendor), 'PLAY'))
  console.log(`  at the second portal: ${next.status} at ${next.url.href}`)
  if (next.status !== 200 || !seenAs(next, user)) return false
  const vault = await signIn(browser, new URL('/vault', home).href, user)
  console.log(`  with the second factor: ${vault.status} at ${vault.url.href}`)
  return vault.status === 200 && vault.body.includes(`${user}@mycompany.com`)
}

async function main([home, ...users]: readonly string[]): Promise<number> {
  if (!home) {
    console.error('usage: node deploy/demo/try.ts http://home.localhost:8080 [USER …]')
    return 2
  }
  let good = true
  for (const user of users.length > 0 ? users : expected.keys()) good = (await tryOne(home, user)) && good
  console.log(
    good ? '\nEverybody was treated as the configuration says.' : '\nSomebody was not treated as the configuration says.',
  )
  return good ? 0 : 1
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) process.exitCode = await main(process.argv.slice(2))
