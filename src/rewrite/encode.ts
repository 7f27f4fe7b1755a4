// Text into a header value and nothing else into it: percent-encoded, or raw UTF-8 bytes as latin1 text. What separates the
// entries of a list is always encoded inside an entry, so that no group can make itself into two.
import { kindOf } from '../expression/kinds.ts'
import type { Json } from '../types.ts'

/** `utf8_uri`: every byte outside 0x21-0x7E and `%` as `%XY`. `utf8_bin`: raw UTF-8. (WebSEAL's words, `-e` of a junction.) */
export type Encoding = 'utf8_uri' | 'utf8_bin'
export type ListStyle = 'quoted' | 'comma' | 'space' | 'json'

const separators = { quoted: /[",]/g, comma: /,/g, space: /[ \t]/g } as const
/** Blanks at the edge of an entry: whoever splits the list trims them, and reads another name. */
const edges = /^[ \t]+|[ \t]+$/g

const percent = (byte: number): string => `%${byte.toString(16).toUpperCase().padStart(2, '0')}`
const percentText = (text: string): string => [...Buffer.from(text)].map(percent).join('')

/** Throws TypeError where the text cannot be a header value: half a character, CR, LF, NUL, other control characters. */
export function encodeText(text: string, encoding: Encoding): string {
  if (!text.isWellFormed()) throw new TypeError('the text holds half a character')
  if (encoding === 'utf8_uri') return uri(text)
  const bytes = Buffer.from(text).toString('latin1')
  if (/[^\t\u0020-\u007e\u0080-\u00ff]/.test(bytes))
    throw new TypeError('the text holds a line break or another control character')
  if (/^[ \t]|[ \t]$/.test(bytes)) throw new TypeError('the text begins or ends with a blank, which the portal would not see')
  return bytes
}

function uri(text: string): string {
  if (/^[\u0021-\u0024\u0026-\u007e]*$/.test(text)) return text
  return [...Buffer.from(text)]
    .map((byte) => (byte > 0x20 && byte < 0x7f && byte !== 0x25 ? String.fromCharCode(byte) : percent(byte)))
    .join('')
}

/** Empty where nothing is left. Entries that are null or "" are left out. Throws TypeError as above, and on entries that are no text. */
export function encodeList(values: readonly Json[], style: ListStyle, encoding: Encoding): string {
  if (style === 'json') return encodeText(JSON.stringify(values), encoding)
  const entries = values.map(entryText).filter((entry) => entry !== '')
  const encoded = entries.map((entry) => encodeEntry(entry, style, encoding))
  if (encoded.length === 0) return ''
  if (style === 'quoted') return encoded.map((entry) => `"${entry}"`).join(',')
  return encoded.join(style === 'comma' ? ',' : ' ')
}

function entryText(value: Json): string {
  if (value === null) return ''
  if (typeof value === 'object') throw new TypeError(`a ${kindOf(value)} cannot be written as an entry of a list`)
  return String(value)
}

function encodeEntry(entry: string, style: Exclude<ListStyle, 'json'>, encoding: Encoding): string {
  if (encoding === 'utf8_uri') return encodeText(entry, encoding).replace(separators[style], percentText)
  return encodeText(entry.replace(edges, percentText).replace(separators[style], percentText), encoding)
}
