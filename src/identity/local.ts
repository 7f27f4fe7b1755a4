// The portal's own sign-in as a choice: a session that says no more than that somebody chose it. Owns its form; whether such a
// session may pass is decide's business.
import { randomBytes } from 'node:crypto'
import type { Identity, Instant, Provider } from '../types.ts'

export const isLocal = ({ protocol }: Pick<Provider, 'protocol'>): boolean => protocol === 'LOCAL'

/** Nobody, under a subject of their own: signing out ends this one session, and no account can be taken from it. */
export const nobodyOf = ({ name }: Pick<Provider, 'name'>, now: Instant): Identity => ({
  provider: name,
  issuer: `local:${name}`,
  subject: randomBytes(12).toString('base64url'),
  account: '',
  groups: [],
  claims: {},
  authenticatedAt: now,
})
