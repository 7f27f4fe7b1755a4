// The Cookie header, read and cut without trusting it (RFC 6265 section 4.2; CVE-2024-24814: bounded work on absurd input).

/** The value of the first cookie with exactly this name; undefined where there is none. */
export function cookieValue(header: string, name: string): string | undefined {
  let from = 0
  while (from < header.length) {
    const at = header.indexOf(name, from)
    if (at < 0) return undefined
    const afterName = at + name.length
    if (header.charCodeAt(afterName) === 61 && startsCookie(header, at)) {
      const end = header.indexOf(';', afterName)
      return header.slice(afterName + 1, end < 0 ? header.length : end).trim()
    }
    from = afterName
  }
  return undefined
}

function startsCookie(header: string, at: number): boolean {
  let before = at - 1
  while (before >= 0 && (header.charCodeAt(before) === 32 || header.charCodeAt(before) === 9)) before--
  return before < 0 || header.charCodeAt(before) === 59
}

/** Names of all cookies that start with `prefix`, in the order they came, at most `most`. */
export function cookieNames(header: string, prefix: string, most: number): readonly string[] {
  const names: string[] = []
  for (const part of header.split(';', 512)) {
    const name = part.slice(0, part.indexOf('=')).trim()
    if (part.includes('=') && name.startsWith(prefix) && names.length < most) names.push(name)
  }
  return names
}

/** The header without the cookies whose name starts with one of `prefixes`; the rest byte for byte. */
export function withoutCookies(header: string, prefixes: readonly string[]): string {
  if (!prefixes.some((prefix) => header.includes(prefix))) return header
  const kept = header.split(';').filter((part) => !prefixes.some((prefix) => part.trimStart().startsWith(prefix)))
  return kept.join(';').trim()
}
