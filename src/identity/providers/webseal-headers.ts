// How WebSEAL writes a name and a list of groups into a header, read back once. Whose header it is, is not known here.
import { holdsControls } from './account.ts'

export type Encoding = 'utf8_uri' | 'utf8_bin' | 'lcp_uri'
/** The value cannot have been written by WebSEAL: refused, never guessed at. */
export class MalformedHeader extends Error {
  override readonly name = 'MalformedHeader'
  readonly repeated: boolean
  constructor(message: string, repeated = false) {
    super(message)
    this.repeated = repeated
  }
}

const strictUtf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

/** `raw` is latin1 text as node:http gives it; percent signs are decoded exactly once (`%2541` is `%41`). Throws MalformedHeader. */
export function decodeValue(raw: string, encoding: Encoding): string {
  const text = /^[\u0020-\u0024\u0026-\u007e]*$/.test(raw) ? raw : decodeBytes(raw, encoding)
  if (holdsControls(text)) throw new MalformedHeader('control characters')
  return text
}

function decodeBytes(raw: string, encoding: Encoding): string {
  const bytes = Buffer.from(encoding === 'utf8_bin' ? raw : percentDecoded(raw), 'latin1')
  if (encoding === 'lcp_uri') return bytes.toString('latin1')
  try {
    return strictUtf8.decode(bytes)
  } catch {
    throw new MalformedHeader('not UTF-8')
  }
}

function percentDecoded(raw: string): string {
  if (/%(?![0-9A-Fa-f]{2})/.test(raw)) throw new MalformedHeader('malformed percent encoding')
  return raw.replace(/%([0-9A-Fa-f]{2})/g, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)))
}

/**
 * The user of a header's one line; undefined for nobody: empty, blank, `Unauthenticated` in any case.
 * `NOT_FOUND` is what an HTTP-Tag-Value header says where the attribute is missing: nobody, except in `iv-user`.
 */
export function readUser(raw: string, encoding: Encoding, isTagValue: boolean): string | undefined {
  if (looksJoined(raw)) throw new MalformedHeader('two values in one line', true)
  const user = decodeValue(raw, encoding)
  const folded = user.trim().toLowerCase()
  if (folded === '' || folded === 'unauthenticated') return undefined
  return isTagValue && user === 'NOT_FOUND' ? undefined : user
}

/** A short name holds no bare comma: a proxy on the way has joined two lines. A DN (`cn=joe,o=company`) holds some. */
function looksJoined(raw: string): boolean {
  if (!raw.includes(',')) return false
  return !raw.split(/(?<!\\),/).every((part) => /^\s*(?:[A-Za-z][A-Za-z0-9-]*|\d+(?:\.\d+)*)\s*=/.test(part))
}

/** `"grp a","grp b"`, unquoted too; every element decoded after splitting. Throws MalformedHeader. */
export function readGroups(raw: string, encoding: Encoding): readonly string[] {
  const groups = splitList(raw).map((element) => decodeValue(element, encoding))
  return [...new Set(groups.filter((group) => group.trim() !== ''))]
}

/** A closing quote is one that a comma or the end follows; a quote inside a name is part of it. */
function splitList(raw: string): readonly string[] {
  const elements: string[] = []
  let rest = raw.trim()
  while (rest !== '') {
    const found = rest.startsWith('"') ? /^"(.*?)"[ \t]*(?:,|$)/.exec(rest) : /^([^,]*)(?:,|$)/.exec(rest)
    if (!found) throw new MalformedHeader('a quoted group does not end')
    elements.push(rest.startsWith('"') ? found[1]! : found[1]!.trim())
    rest = rest.slice(found[0].length).trimStart()
  }
  return elements
}
