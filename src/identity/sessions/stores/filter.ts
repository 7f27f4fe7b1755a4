// Which sessions a list is of, and in which order: the same for every store.
import type { SessionFilter, SessionRecord } from '../session-store.ts'

export function fits({ id, audience, identity }: SessionRecord, filter: SessionFilter): boolean {
  const { person } = filter
  return (
    (filter.id === undefined || filter.id === id) &&
    (filter.audience === undefined || filter.audience === audience) &&
    (filter.account === undefined || filter.account === identity.account) &&
    (filter.provider === undefined || filter.provider === identity.provider) &&
    (person === undefined || (person.issuer === identity.issuer && person.subject === identity.subject))
  )
}

/** The newest first; of the same age, always in the same order. */
export const byAge = (a: SessionRecord, b: SessionRecord): number =>
  b.createdAt - a.createdAt || (a.id < b.id ? -1 : a.id > b.id ? 1 : 0)
