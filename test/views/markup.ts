// Reads our own pages back, so that a test can say what is markup in them and what is text.
import type { Rendered } from '../../src/views/pages.ts'

const tag = /<(\/?[a-z0-9]+|!doctype)((?:\s+[a-zA-Z-]+(?:="[^"]*")?)*)\s*\/?>/gi

/** Tags with the names of their attributes, in order. Throws where a `<` or `>` stands outside of a tag. */
export function skeleton(page: Rendered): readonly string[] {
  const body = page.body.replace(/<style>[^<]*<\/style>/, '')
  const rest = body.replace(tag, '')
  if (/[<>]/.test(rest)) throw new Error(`stray bracket: ${rest}`)
  return [...body.matchAll(tag)].map(([, name, attributes = '']) => `${name} ${attributes.replace(/="[^"]*"/g, '').trim()}`)
}

const entities: Readonly<Record<string, string>> = { amp: '&', lt: '<', gt: '>', quot: '"', '#39': "'", '#96': '`' }
const unescaped = (text: string): string => text.replace(/&(amp|lt|gt|quot|#39|#96);/g, (_, name: string) => entities[name] ?? '')

/** Every address in the page, as the browser reads it. */
export const addresses = (page: Rendered): readonly string[] =>
  [...page.body.matchAll(/\s(?:href|src|action)="([^"]*)"/g)].map(([, address = '']) => unescaped(address))

/** What a person reads. */
export const visibleText = (page: Rendered): string =>
  unescaped(page.body.replace(/<(style|title|svg)\b[\s\S]*?<\/\1>/g, '').replace(/<[^>]*>/g, ' ')).replace(/[ \n]+/g, ' ')

export function header(page: Rendered, name: string): string | undefined {
  const at = page.headers.findIndex((entry, index) => index % 2 === 0 && entry.toLowerCase() === name.toLowerCase())
  return at < 0 ? undefined : page.headers[at + 1]
}

/** Directives of the page's policy by name. */
export const policyOf = (page: Rendered): Readonly<Record<string, string>> =>
  Object.fromEntries(
    (header(page, 'Content-Security-Policy') ?? '').split('; ').map((directive) => {
      const [name = '', ...sources] = directive.split(' ')
      return [name, sources.join(' ')]
    }),
  )
