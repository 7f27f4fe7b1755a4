// A token of any length as at most three cookies: `NAME=2~part`, `NAME.1=part`. Owns names and pieces; does not know what a
// token means. Bounded work on whatever a browser sends (CVE-2024-24814: a chunk count is never believed).
import { cookieNames, cookieValue } from '../../cookies.ts'
import type { SessionRules } from '../../types.ts'

type Naming = Pick<SessionRules, 'cookieName' | 'cookieAttributes'>

/** Browsers take 4096 bytes of name and value together. */
const pieceLength = 3800
const mostPieces = 3
/** Cookies of one name with different paths or domains: a stale one must not hide ours for ever. */
const mostNamesakes = 4

/** Max-Age as well as Expires: either alone is ignored by somebody. */
export const deletion = (name: string, attributes: string): string =>
  `${name}=; ${attributes}; Max-Age=0; Expires=Thu, 01 Jan 1970 00:00:00 GMT`

/** The token under this name; null where cookies of this name are there but no whole token, undefined where there is none. */
export function readToken(header: string, name: string): string | null | undefined {
  const first = cookieValue(header, name)
  return first === undefined ? undefined : wholeToken(header, name, first)
}

function wholeToken(header: string, name: string, first: string): string | null {
  if (first.charCodeAt(1) !== 126) return first // no `~`: in one piece
  const pieces = first.charCodeAt(0) - 48
  if (pieces < 2 || pieces > mostPieces) return null
  let token = first.slice(2)
  for (let piece = 1; piece < pieces; piece++) {
    const part = cookieValue(header, `${name}.${piece}`)
    if (part === undefined) return null
    token += part
  }
  return token
}

/** The tokens of further cookies of the same name, for when the first is not ours. */
export function otherTokens(header: string, name: string): readonly string[] {
  const values = header
    .split(';', 512)
    .flatMap((part) => (part.trimStart().startsWith(`${name}=`) ? [part.slice(part.indexOf('=') + 1).trim()] : []))
  return values
    .slice(1, mostNamesakes)
    .map((first) => wholeToken(header, name, first))
    .filter((token) => token !== null)
}

/** The Set-Cookie values that keep the token, and delete the pieces of a longer one before it; undefined: too large. */
export function tokenCookies(token: string, rules: Naming, header: string): readonly string[] | undefined {
  const { cookieName: name, cookieAttributes: attributes } = rules
  if (token.length <= pieceLength) return [`${name}=${token}; ${attributes}`, ...stale(header, rules, 1)]
  const room = pieceLength - 2
  const pieces = Math.ceil(token.length / room)
  if (pieces > mostPieces) return undefined
  const parts = Array.from({ length: pieces }, (_, i) => token.slice(i * room, (i + 1) * room))
  const cookies = parts.map((part, i) =>
    i === 0 ? `${name}=${pieces}~${part}; ${attributes}` : `${name}.${i}=${part}; ${attributes}`,
  )
  return [...cookies, ...stale(header, rules, pieces)]
}

/** Deletes the cookie and every piece of it that the browser sent. */
export function clearToken(header: string, rules: Naming): readonly string[] {
  const { cookieName: name, cookieAttributes: attributes } = rules
  const own = cookieValue(header, name) === undefined ? [] : [deletion(name, attributes)]
  return [...own, ...stale(header, rules, 1)]
}

function stale(header: string, { cookieName, cookieAttributes }: Naming, from: number): readonly string[] {
  const pieces = cookieNames(header, `${cookieName}.`, 32).filter((name) => {
    const piece = name.slice(cookieName.length + 1)
    return /^\d$/.test(piece) && Number(piece) >= from
  })
  return [...new Set(pieces)].map((name) => deletion(name, cookieAttributes))
}
