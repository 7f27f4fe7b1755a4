// The store without a store: the whole session, sealed, in the browser's cookie. Nothing is kept here.
import type { Json } from '../../../types.ts'
import type { Sealer } from '../seal.ts'
import type { SessionRecord, SessionStore } from '../session-store.ts'

/** Raised when the record's shape changes: what an older version sealed is then nobody, and its owner signs in again. */
const version = 1
/** Milliseconds. Nobody else can change what a browser holds; opening it again now and then frees what is forgotten. */
const staleness = 60_000

export function createCookieStore(sealer: Sealer): SessionStore {
  const seal = (record: SessionRecord) => sealer.seal({ version, record: record as unknown as Json }, 'session')
  return {
    keeps: false,
    staleness,
    create: seal,
    async read(token, audience) {
      const opened = (await sealer.open(token, 'session')) as { version?: Json; record?: Json } | undefined
      if (opened?.version !== version) return undefined
      const record = opened.record as unknown as SessionRecord
      return record.audience === audience ? record : undefined
    },
    touch: seal,
    replace: seal,
    remove: async () => {},
    list: async () => ({ records: [], complete: false }),
    takeExpired: async () => [],
  }
}
