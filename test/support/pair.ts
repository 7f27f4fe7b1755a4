// Two replicas behind one name, sharing one Redis, and a browser whose every request goes to the one that the test says.
import { freePort } from './free-port.ts'
import { type RunningPostern, startPostern } from './postern.ts'
import { createVisitor, type LoadOptions, type Page, type Visitor } from './visitor.ts'

export interface Pair {
  /** Origin of the portal `home`. */
  readonly home: string
  readonly replicas: readonly [RunningPostern, RunningPostern]
  /** For both. */
  pass(milliseconds: number): void
  /** The provider's clock is the real one: where its times count, ours is so too. */
  now(): void
  stop(): Promise<void>
}
export interface RoutedVisitor {
  readonly visitor: Visitor
  /** One request of a browser's page load, at this replica. */
  load(replica: number, url: string, options?: LoadOptions): Promise<Page>
  /** Follows redirects while they stay on the portal's origin. */
  follow(replica: number, url: string, options?: LoadOptions): Promise<Page>
}

/** @param configuration given the port people type */
export async function startPair(configuration: (port: number) => string): Promise<Pair> {
  const port = await freePort()
  const text = configuration(port)
  const one = await startPostern({ configuration: text, port })
  const two = await startPostern({ configuration: text, port: await freePort(), now: one.time.now })
  return {
    home: `http://home.localhost:${port}`,
    replicas: [one, two],
    pass(milliseconds) {
      one.time.now += milliseconds
      two.time.now += milliseconds
    },
    now() {
      one.time.now = Date.now()
      two.time.now = one.time.now
    },
    stop: async () => void (await Promise.all([one.stop(), two.stop()])),
  }
}

export function visitorOf({ home, replicas }: Pair, visitor = createVisitor()): RoutedVisitor {
  const load = async (replica: number, url: string, options: LoadOptions = {}): Promise<Page> => {
    const there = new URL(url, home)
    there.port = String(replicas[replica]?.port)
    const page = await visitor.load(there.href, { ...options, headers: { Host: new URL(home).host, ...options.headers } })
    return { ...page, url: new URL(url, home).href }
  }
  const follow = async (replica: number, url: string, options?: LoadOptions): Promise<Page> => {
    let page = await load(replica, url, options)
    for (let hop = 0; hop < 10 && page.location !== undefined; hop++) {
      const next = new URL(page.location, page.url)
      if (next.origin !== home) return page
      page = await load(replica, next.href)
    }
    return page
  }
  return { visitor, load, follow }
}
