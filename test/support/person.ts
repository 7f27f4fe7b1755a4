// A browser without a screen: cookies kept per origin, redirects followed one by one, forms filled in.

export interface Person {
  /** Follows the redirects from `url`, fills the provider's forms, and returns the first address outside `origin`. */
  go(url: string, fill: Readonly<Record<string, string>>): Promise<string>
}

/** Keeps its cookies between two `go`: a person who is still signed in at the provider. */
export function createPerson(origin: string): Person {
  const jar = new Map<string, string>()
  const load = async (url: string, form?: URLSearchParams): Promise<Response> => {
    const cookie = [...jar].map(([name, value]) => `${name}=${value}`).join('; ')
    const post = form ? { method: 'POST', body: form } : {}
    const answer = await fetch(url, { redirect: 'manual', headers: { cookie }, ...post })
    for (const line of answer.headers.getSetCookie()) remember(jar, line)
    return answer
  }
  return {
    go: async (url, fill) => {
      let answer = await load(url)
      for (let hop = 0; hop < 12; hop++) {
        const location = answer.headers.get('location')
        if (location !== null) {
          await answer.body?.cancel()
          const next = new URL(location, answer.url || url)
          if (next.origin !== origin) return location
          answer = await load(next.href)
          continue
        }
        const page = await answer.text()
        const form = readForm(page)
        if (!form) throw new Error(`${answer.status} from ${answer.url}: ${page.replace(/<[^>]*>/g, ' ').trim()}`)
        answer = await load(new URL(form.action, answer.url).href, new URLSearchParams({ ...form.hidden, ...fill }))
        if (answer.status === 401) throw new Error('the provider refuses this account or password')
      }
      throw new Error('too many redirects')
    },
  }
}

function remember(jar: Map<string, string>, line: string): void {
  const [pair = ''] = line.split(';')
  const at = pair.indexOf('=')
  const expired = /;\s*expires=Thu, 01 Jan 1970/i.test(line)
  if (expired) jar.delete(pair.slice(0, at))
  else jar.set(pair.slice(0, at), pair.slice(at + 1))
}

function readForm(page: string): { action: string; hidden: Record<string, string> } | undefined {
  const action = /<form[^>]*action="([^"]*)"/.exec(page)?.[1]
  if (action === undefined) return undefined
  const hidden = [...page.matchAll(/<input type="hidden" name="([^"]*)" value="([^"]*)"/g)].map(([, name, value]) => [
    name!,
    value!,
  ])
  return { action, hidden: Object.fromEntries(hidden) }
}
