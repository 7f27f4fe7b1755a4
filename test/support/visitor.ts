// A browser without a screen in front of Postern: real sockets, cookies kept per host, every `*.localhost` is this machine.
import { request as httpRequest } from 'node:http'

export interface Page {
  readonly url: string
  readonly status: number
  readonly headers: Readonly<Record<string, string | string[] | undefined>>
  readonly setCookies: readonly string[]
  readonly body: string
  readonly location: string | undefined
}
export interface Visitor {
  /** Cookies by host. */
  readonly jar: Map<string, Map<string, string>>
  /** One request; a browser's page load unless told otherwise. */
  load(url: string, options?: LoadOptions): Promise<Page>
  /** Follows redirects while they stay on `*.localhost`; returns the last page, or the redirect that leads away. */
  follow(url: string, options?: LoadOptions): Promise<Page>
  cookieHeader(url: string): string
}
export interface LoadOptions {
  readonly method?: string
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: string
  /** An XHR instead of a page load. */
  readonly xhr?: boolean
}

const navigation = {
  Accept: 'text/html,application/xhtml+xml;q=0.9,*/*;q=0.8',
  'Sec-Fetch-Mode': 'navigate',
  'Sec-Fetch-Dest': 'document',
  'Sec-Fetch-Site': 'none',
}
const xhr = { Accept: 'application/json', 'Sec-Fetch-Mode': 'cors', 'Sec-Fetch-Dest': 'empty', 'Sec-Fetch-Site': 'same-origin' }

export function createVisitor(): Visitor {
  const jar = new Map<string, Map<string, string>>()
  const cookieHeader = (url: string): string =>
    [...(jar.get(new URL(url).hostname) ?? [])].map(([name, value]) => `${name}=${value}`).join('; ')

  const load = (url: string, options: LoadOptions = {}): Promise<Page> => {
    const { hostname, port, pathname, search, host } = new URL(url)
    const cookie = cookieHeader(url)
    const headers = { Host: host, ...(options.xhr ? xhr : navigation), ...(cookie ? { Cookie: cookie } : {}), ...options.headers }
    return new Promise((resolve, reject) => {
      const asking = httpRequest(
        { host: '127.0.0.1', port, path: pathname + search, method: options.method ?? 'GET', headers, agent: false },
        (answer) => {
          const chunks: Buffer[] = []
          answer.on('data', (chunk: Buffer) => void chunks.push(chunk))
          answer.on('error', reject)
          answer.on('end', () => {
            const setCookies = answer.headers['set-cookie'] ?? []
            const cookies = jar.get(hostname) ?? new Map<string, string>()
            jar.set(hostname, cookies)
            for (const line of setCookies) remember(cookies, line)
            resolve({
              url,
              status: answer.statusCode ?? 0,
              headers: answer.headers,
              setCookies,
              body: Buffer.concat(chunks).toString(),
              location: answer.headers.location,
            })
          })
        },
      )
      asking.on('error', reject)
      asking.end(options.body)
    })
  }
  const follow = async (url: string, options?: LoadOptions): Promise<Page> => {
    let page = await load(url, options)
    for (let hop = 0; hop < 10 && page.location !== undefined; hop++) {
      const next = new URL(page.location, page.url)
      if (!next.hostname.endsWith('.localhost')) return page
      page = await load(next.href)
    }
    return page
  }
  return { jar, load, follow, cookieHeader }
}

function remember(cookies: Map<string, string>, line: string): void {
  const [pair = ''] = line.split(';')
  const at = pair.indexOf('=')
  if (/;\s*Max-Age=0/i.test(line)) cookies.delete(pair.slice(0, at))
  else cookies.set(pair.slice(0, at), pair.slice(at + 1))
}
