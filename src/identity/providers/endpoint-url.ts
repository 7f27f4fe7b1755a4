import { isLoopbackHost } from '../../addresses.ts'

/** The text itself. Throws TypeError off https; RFC 8252 section 8.3 tolerates http on loopback only. */
export function secureUrl(text: string, key: string): string {
  const url = URL.parse(text)
  if (!url) throw new TypeError(`${key} is not a URL`)
  const plain = url.protocol === 'http:' && isLoopbackHost(url.hostname)
  if (url.protocol !== 'https:' && !plain) throw new TypeError(`${key} must be https (http on loopback only)`)
  if (url.username || url.password || url.hash) throw new TypeError(`${key} must not hold a user name, a password or a fragment`)
  return text
}
