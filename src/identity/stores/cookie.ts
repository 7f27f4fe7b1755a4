// The store without a store: the whole session, sealed, in the browser's cookie. Nothing is kept here.
import type { Json } from '../../types.ts'
import type { Sealer } from '../seal.ts'
import type { SessionRecord, SessionStore } from '../session-store.ts'

/** Raised when the record's shape changes: what an older version sealed is then nobody, and its owner signs in again. */
const version = 1

export function createCookieStore(sealer: Sealer): SessionStore {
  return {
    write: (record) => sealer.seal({ version, record: record as unknown as Json }, 'session'),
    async read(token) {
      const opened = (await sealer.open(token, 'session')) as { version?: Json; record?: Json } | undefined
      return opened?.version === version ? (opened.record as unknown as SessionRecord) : undefined
    },
    remove: () => {},
  }
}
