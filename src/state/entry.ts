// What every state store holds its callers to, and the one text a value has: two that are equal as JSON are equal as text.
import { PosternError } from '../errors.ts'
import type { Json } from '../types.ts'

const longestKey = 512
/** Bytes. */
const largestValue = 64 * 1024

/** Seconds after which a client may ask again. */
const retryAfter = 5

export const unavailable = (detail: string, cause?: unknown): PosternError =>
  new PosternError('store-unavailable', detail, cause === undefined ? { retryAfter } : { cause, retryAfter })

/** Throws PosternError('store-unavailable'): also for what is no text a database could give back. */
export function checkedKey(key: string): string {
  if (key === '' || key.length > longestKey) throw unavailable('a key of the state store is empty or too long')
  if (key.includes('\0') || !key.isWellFormed()) throw unavailable('a key of the state store is no text')
  return key
}

/** Canonical: members in the order of their names. Throws PosternError('store-unavailable') where it is too large. */
export function textOf(value: Json): string {
  const text = JSON.stringify(value, (_name, part: unknown) => (isPlain(part) ? ordered(part) : part))
  if (Buffer.byteLength(text) > largestValue) throw unavailable('a value of the state store is too large')
  return text
}

export function parsed(text: string): Json {
  try {
    return JSON.parse(text) as Json
  } catch (error) {
    throw unavailable('the state store holds something that is not ours', error)
  }
}

const isPlain = (part: unknown): part is Record<string, unknown> =>
  typeof part === 'object' && part !== null && !Array.isArray(part)

/** `Object.fromEntries` defines, so that a member called `__proto__` stays one. */
const ordered = (part: Record<string, unknown>): Record<string, unknown> =>
  Object.fromEntries(Object.entries(part).sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0)))
