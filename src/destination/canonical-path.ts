// One reading of a path. The string that comes out is what routes match, what rules see and what the portal gets:
// there is no second reading that could differ (CVE-2023-33189, GHSA-p224-6x5r-fjpm, CVE-2026-95811).

export interface CanonicalPath {
  readonly path: string
  /** `%2F` stands in it: only a route with `encodedSlash: allow` takes it. */
  readonly encodedSlash: boolean
}

/** Nothing that needs a second look: no percent, no dot after a slash, no parameters, no empty segment. */
const plain = /^\/(?!\/)(?:[A-Za-z0-9\-_~!$&'()*+,=:@]|(?<!\/)\.|\/(?![/.]))*$/
const allowed = /^\/[A-Za-z0-9\-._~!$&'()*+,=:@/%]*$/
/** Unreserved, and what may stand plain in a path: every portal takes `%24` for `$`, so a route for `$` must see it. */
const decoded = /[A-Za-z0-9\-._~!$&'()*+,=:@]/

/**
 * RFC 3986 section 6.2.2: encoded characters that may stand plain are decoded, hex digits written upper case; dot segments, empty segments,
 * backslashes, `;parameters`, control characters, overlong UTF-8, broken and double encodings are refused.
 * @param raw the path of an origin-form request target, without query
 * @returns undefined where the path is refused
 */
export function canonicalPath(raw: string): CanonicalPath | undefined {
  if (plain.test(raw)) return { path: raw, encodedSlash: false }
  if (!allowed.test(raw)) return undefined
  const path = decodeNeedless(raw)
  if (path === undefined || path.includes('//') || hasDotSegment(path)) return undefined
  return { path, encodedSlash: path.includes('%2F') }
}

function decodeNeedless(raw: string): string | undefined {
  let refused = false
  const path = raw.replace(/%(.{0,2})/gs, (_, digits: string) => {
    if (!/^[0-9A-Fa-f]{2}$/.test(digits)) {
      refused = true
      return ''
    }
    const code = Number.parseInt(digits, 16)
    const character = String.fromCharCode(code)
    if (code < 0x20 || code === 0x7f || character === '\\' || character === ';') refused = true
    return decoded.test(character) ? character : `%${digits.toUpperCase()}`
  })
  return refused || /%25[0-9A-Fa-f]{2}/.test(path) || overlong.test(path) || /%(?![0-9A-F]{2})/.test(path) ? undefined : path
}

/** Bytes that UTF-8 never needs: C0, C1, and three- or four-byte forms of shorter characters. */
const overlong = /%C[01]|%E0%[89]|%F0%8|%F[89A-F]/

/** Also where an encoded slash would split a segment. */
const hasDotSegment = (path: string): boolean => path.split(/\/|%2F/).some((segment) => segment === '.' || segment === '..')

/** What Windows takes for another name of the same file: trailing dots and blanks, `ADMIN~1`, `::$DATA` (WebSEAL's `-w`). */
export function hasWindowsAlias(path: string): boolean {
  return path.split(/\/|%2F/).some((segment) => /(?:\.|%20)$|~\d|:/.test(segment))
}

/** The part before `?` and the rest with it; undefined for anything but an origin-form target without fragment. */
export function splitTarget(target: string): { readonly path: string; readonly query: string } | undefined {
  if (target.charCodeAt(0) !== 47 || target.includes('#')) return undefined
  const at = target.indexOf('?')
  return at < 0 ? { path: target, query: '' } : { path: target.slice(0, at), query: target.slice(at) }
}
