// Where a person may be sent after signing in or out: a path on the portal's own origin, or the portal's front page. Owns that
// one judgement; knows nothing of sign-ins. Open redirects: CVE-2019-3877, CVE-2019-13038, CVE-2021-32786, CVE-2020-5233,
// CVE-2020-11053, CVE-2020-4037, CVE-2026-83589.
import type { Portal } from '../../types.ts'

export type ReturnPlace = Pick<Portal, 'origin' | 'path' | 'pathCase' | 'compat'>

const longest = 2000
/** Encodings of encodings: more than this is nobody's honest link. */
const decodings = 3

/**
 * The path (with query and fragment) to go to, always beginning with exactly one `/`; the portal's own path where the text is
 * anything else than such a path, or leads to our own endpoints. At most 2000 characters: a longer query is dropped.
 * @param text as it came, already percent-decoded once as a query parameter is
 */
export function returnAddress(text: string | null | undefined, portal: ReturnPlace, basePath: string): string {
  const url = text ? safeUrl(text, portal, basePath) : undefined
  if (!url) return portal.path
  const whole = url.pathname + url.search + url.hash
  if (whole.length <= longest) return whole
  return url.pathname.length <= longest ? url.pathname : portal.path
}

function safeUrl(text: string, portal: ReturnPlace, basePath: string): URL | undefined {
  const own = text.startsWith(`${portal.origin}/`) ? text.slice(portal.origin.length) : text
  const url = ownUrl(own, portal.origin)
  if (!url || !isBelow(url.pathname, portal.path, portal.pathCase === 'insensitive')) return undefined
  let path = url.pathname
  for (let round = 0; round <= decodings; round++) {
    const parsed = ownUrl(path, portal.origin)
    if (!parsed || isOurs(parsed.pathname, portal, basePath)) return undefined
    const decoded = decode(parsed.pathname)
    if (decoded === path || decoded === parsed.pathname) return url
    path = decoded
  }
  return undefined
}

/** Parsed as a browser would (WHATWG URL), and still on this origin, with a path that no browser reads as a host. */
function ownUrl(text: string, origin: string): URL | undefined {
  if (text.length > 8 * longest || hasTrap(text)) return undefined
  const url = URL.canParse(text, origin) ? new URL(text, origin) : undefined
  return url && url.origin === new URL(origin).origin && !hasTrap(url.pathname) ? url : undefined
}

/** Control characters and backslashes anywhere, no leading slash, or two with nothing but blanks or dots between them. */
const hasTrap = (text: string): boolean => /[\u0000-\u001f\u007f-\u009f]|^[^/]|^$|^[^?#]*\\|^\/(?:\s*|\.{1,2})[/\\]/u.test(text)

/** Prefixes end on segment borders: `/ab` is not below `/a`. */
export const isBelow = (path: string, prefix: string, foldCase: boolean): boolean => {
  const [long, short] = foldCase ? [path.toLowerCase(), prefix.toLowerCase()] : [path, prefix]
  return short === '/' || long === short || long.startsWith(`${short}/`)
}

/** A link that signs out, or starts another sign-in, the moment a person has signed in. */
const isOurs = (path: string, portal: ReturnPlace, basePath: string): boolean =>
  isBelow(path, basePath, true) || (portal.compat === 'webseal' && /^\/pkms/i.test(path))

/** ASCII only, and leniently, as careless servers do: no dangerous character lies beyond, and a lone `%` hides none. */
const decode = (path: string): string =>
  path.replace(/%([0-7][0-9a-f])/gi, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)))
