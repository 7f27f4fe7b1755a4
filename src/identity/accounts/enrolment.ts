// What one provider's people go through between the provider's answer and the rules, and once the rules have let them in: look-ups,
// profile, account link; the account in the portal. Owns the order; each of the steps is a file of its own.
import { PosternError } from '../../errors.ts'
import { joinReads } from '../../expression/compile.ts'
import { factsOf } from '../../facts.ts'
import type { Identity, Instant, RequestView } from '../../types.ts'
import type { AccountLinks, LinkOptions } from './account-links.ts'
import type { OutboundCall } from './outbound-call.ts'
import type { PostLogin } from './post-login.ts'
import type { Profiles } from './profiles.ts'
import type { Provisioning } from './provisioning.ts'

/** Where somebody is signing in. */
export interface Entrance {
  readonly portal: string
  /** The page they want. */
  readonly request: RequestView
  readonly now: Instant
}
export interface Enrolment {
  /**
   * What another portal of the same session group cannot take over: 'shape', who they are there may be another question; 'account',
   * it has to be told of them first.
   */
  readonly ownOfPortal: 'shape' | 'account' | 'nothing'
  /**
   * Who they are here. Throws PosternError: 'post-login-refused', 'post-login-failed', 'no-profile', 'account-missing',
   * 'link-conflict', 'email-not-verified', 'store-unavailable'.
   * Writes nothing: the rules may refuse them still.
   * @param linked false for a second factor: it opens no account of its own
   */
  shape(identity: Identity, at: Entrance, accessToken: string | undefined, linked: boolean): Promise<Identity>
  /**
   * For whom the rules have let in: their account is linked, then stands in the portal. Throws PosternError('link-conflict'),
   * 'email-not-verified', 'account-missing', 'provisioning-failed' or 'store-unavailable'.
   */
  provision(identity: Identity, at: Entrance): Promise<void>
}
export interface EnrolmentParts {
  readonly postLogin: readonly PostLogin[]
  /** Absent: none are wanted, and everybody stays as they are. */
  readonly profiles?: Profiles
  readonly link?: { readonly links: AccountLinks; readonly options: LinkOptions }
  /** By the profile's name. */
  readonly provision: ReadonlyMap<string, { readonly call: OutboundCall; readonly timeout: number }>
  readonly provisioning?: Provisioning
}

export function createEnrolment(parts: EnrolmentParts): Enrolment {
  const { postLogin, profiles, link, provision, provisioning } = parts
  return {
    ownOfPortal: ownOfPortal(parts),
    async shape(identity, { portal, request, now }, accessToken, linked) {
      const facts = (person: Identity) => factsOf(person, request, portal, now)
      let person = identity
      for (const action of postLogin) person = await action.run(person, facts, accessToken)
      if (profiles) person = await profiles.shape(person, facts(person))
      return link && linked ? { ...person, account: await accountOf(person, link.links.look, link) } : person
    },
    async provision(identity, { portal, request, now }) {
      // another tab was faster, with another account: the rules have not seen that one
      if (link && (await accountOf(identity, link.links.resolve, link)) !== identity.account)
        throw new PosternError('store-unavailable', 'the account was linked otherwise in the meantime')
      const wanted = identity.profile && provision.get(identity.profile.name)
      if (!wanted || !provisioning) return
      await provisioning.ensure({ portal, identity, facts: factsOf(identity, request, portal, now), ...wanted })
    },
  }
}

function ownOfPortal({ postLogin, profiles, provision }: EnrolmentParts): Enrolment['ownOfPortal'] {
  const { everything, facts } = joinReads([...postLogin.map(({ reads }) => reads), ...(profiles ? [profiles.reads] : [])])
  if (everything || facts.has('portal') || facts.has('request')) return 'shape'
  return provision.size > 0 ? 'account' : 'nothing'
}

async function accountOf(
  person: Identity,
  ask: AccountLinks['look'],
  { options }: NonNullable<EnrolmentParts['link']>,
): Promise<string> {
  const outcome = await ask(person, person.provider, options)
  if (outcome.kind === 'conflict') throw new PosternError(outcome.reason, outcome.detail)
  return outcome.account
}
