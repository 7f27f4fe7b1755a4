// The board of a single process: gone with it, and no other process reads it.
import { randomUUID } from 'node:crypto'
import type { Board } from '../board.ts'
import type { Clock, Instant } from '../types.ts'
import { checkedWord, type Word } from './board-word.ts'
import { unavailable } from './entry.ts'

interface Entry {
  readonly text: string
  readonly until: Instant
}

/** Milliseconds between two looks for what is over. */
const pruneEvery = 10_000
/** Characters of keys and texts: what browsers send must not fill the memory. */
const mostKept = 64 * 1024 * 1024

/** @param most characters of keys and texts together; beyond it 'store-unavailable', since forgetting one would let it happen twice */
export function createMemoryBoard({ clock, most = mostKept }: { readonly clock: Clock; readonly most?: number }): Board {
  const entries = new Map<string, Entry>()
  let kept = 0
  let prunedAt = Number.NEGATIVE_INFINITY

  const forget = (key: string) => {
    const entry = entries.get(key)
    if (entry) kept -= key.length + entry.text.length
    entries.delete(key)
  }
  const present = (key: string): string | undefined => {
    const entry = entries.get(key)
    if (!entry || clock() < entry.until) return entry?.text
    forget(key)
    return undefined
  }
  const write = (key: string, text: string, forMs: number) => {
    const now = clock()
    if (Math.abs(now - prunedAt) >= pruneEvery) {
      prunedAt = now
      for (const [old, { until }] of entries) if (until <= now) forget(old)
    }
    forget(key)
    if (kept + key.length + text.length > most) throw unavailable('the board is full')
    kept += key.length + text.length
    entries.set(key, { text, until: now + forMs })
  }
  const first = (word: Word, text: string, forMs: number): boolean => {
    if (present(word) !== undefined) return false
    write(word, text, forMs)
    return true
  }
  return {
    async once(key, forMs) {
      return first(checkedWord('once', key), '', forMs)
    },
    async put(key, text, forMs) {
      write(checkedWord('text', key, text), text, forMs)
    },
    async get(key) {
      return present(checkedWord('text', key))
    },
    async take(key) {
      const word = checkedWord('text', key)
      const text = present(word)
      forget(word)
      return text
    },
    async lease(key, forMs) {
      const word = checkedWord('lease', key)
      const owner = randomUUID()
      if (!first(word, owner, forMs)) return undefined
      const isOurs = () => present(word) === owner
      return {
        async renew() {
          if (!isOurs()) return false
          write(word, owner, forMs)
          return true
        },
        async release() {
          if (isOurs()) forget(word)
        },
      }
    },
  }
}
