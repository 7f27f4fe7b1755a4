// What every board holds its callers to. The three kinds of words never meet under one key.
import { unavailable } from './entry.ts'

export type Word = `${'once' | 'text' | 'lease'} ${string}`

const longestKey = 512
const longestText = 256 * 1024

/** Throws PosternError('store-unavailable'). */
export function checkedWord(kind: 'once' | 'text' | 'lease', key: string, text = ''): Word {
  if (key === '' || key.length > longestKey) throw unavailable('a key of the board is empty or too long')
  if (text.length > longestText || !/^[\x21-\x7e]*$/.test(text)) throw unavailable('a text for the board is too long or no ASCII')
  return `${kind} ${key}`
}
