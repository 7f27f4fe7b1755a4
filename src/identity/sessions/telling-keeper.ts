// A keeper that tells portals of every session it ends, whoever had it ended: whoever knows better why has said so before. Owns only
// which end is one: a session that is replaced by a fresher one of the same person has not ended for the portal.
import type { Identity } from '../../types.ts'
import type { OnSignOut } from '../signing-out/on-sign-out.ts'
import type { SessionKeeper } from './session.ts'

/** What nobody has named a reason for before was replaced. */
export function createTellingKeeper(keeper: SessionKeeper, onSignOut: Pick<OnSignOut, 'ended'>): SessionKeeper {
  return {
    find: keeper.find.bind(keeper),
    trim: keeper.trim.bind(keeper),
    open: (identity, rules, now, extra) => {
      const before = extra?.replaces
      if (before && !isSamePerson(before.identity, identity)) onSignOut.ended(before, 'replaced')
      return keeper.open(identity, rules, now, extra)
    },
    end: (session, now) => {
      onSignOut.ended(session, 'replaced')
      return keeper.end(session, now)
    },
    endUnread: keeper.endUnread.bind(keeper),
    reread: keeper.reread.bind(keeper),
    replace: keeper.replace.bind(keeper),
    list: keeper.list.bind(keeper),
    get keeps() {
      return keeper.keeps
    },
    clear: keeper.clear.bind(keeper),
    size: keeper.size.bind(keeper),
  }
}

const isSamePerson = (a: Identity, b: Identity): boolean => a.issuer === b.issuer && a.subject === b.subject
