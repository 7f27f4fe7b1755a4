// State for tests and the demo: gone with the process.
import type { StateStore } from '../state.ts'
import type { Clock, Instant } from '../types.ts'
import { checkedKey, parsed, textOf, unavailable } from './entry.ts'

interface Entry {
  readonly text: string
  readonly until: Instant
}

export function createMemoryState({ clock }: { readonly clock: Clock }): StateStore {
  const entries = new Map<string, Entry>()
  let closed = false

  function present(key: string): Entry | undefined {
    if (closed) throw unavailable('the state store is closed')
    const entry = entries.get(checkedKey(key))
    if (!entry || clock() < entry.until) return entry
    entries.delete(key)
    return undefined
  }

  return {
    async get(key) {
      const entry = present(key)
      return entry && parsed(entry.text)
    },
    async change(key, before, after, until = Number.POSITIVE_INFINITY) {
      const text = after === undefined ? undefined : textOf(after)
      if (present(key)?.text !== (before === undefined ? undefined : textOf(before))) return false
      if (text === undefined) entries.delete(key)
      else entries.set(key, { text, until })
      return true
    },
    async list(prefix, most) {
      const keys = [...entries.keys()].filter((key) => key.startsWith(prefix) && present(key)).sort(byBytes)
      if (closed) throw unavailable('the state store is closed')
      return keys.slice(0, Math.max(0, most)).map((key) => [key, parsed(entries.get(key)?.text ?? 'null')] as const)
    },
    async close() {
      closed = true
    },
  }
}

/** As databases order text, not as UTF-16 does. */
const byBytes = (a: string, b: string): number => Buffer.compare(Buffer.from(a), Buffer.from(b))
