// Owns what a portal calls somebody: the first profile that fits gives account, groups and attributes. Must not know where the
// facts come from, nor that anything is created in the portal.
import { PosternError } from '../../errors.ts'
import { compileExpression, EvaluationError, type Expression, joinReads, type Reads } from '../../expression/compile.ts'
import type { Facts, Identity, Json } from '../../types.ts'
import { foldAccount } from '../providers/account.ts'
import { accountTrouble, listOf } from '../providers/oidc-claims.ts'

export interface ProfileOptions {
  readonly name: string
  /** Exactly `true`: this one. */
  readonly when: string
  /** Absent: as the provider says. */
  readonly account?: string
  /** Absent: as the provider says. */
  readonly groups?: string
  readonly attributes: Readonly<Record<string, string>>
}
export interface Profiles {
  readonly reads: Reads
  /**
   * The person in the shape of the first profile that fits. Throws PosternError('no-profile') where none does or where it cannot be
   * told, PosternError('account-missing') where the one that fits names no account.
   */
  shape(identity: Identity, facts: Facts): Promise<Identity>
}

interface Compiled {
  readonly name: string
  readonly when: Expression
  readonly account: Expression | undefined
  readonly groups: Expression | undefined
  readonly attributes: readonly (readonly [name: string, value: Expression])[]
}

/** Throws ExpressionError. No profiles at all: nobody fits. */
export function compileProfiles(options: readonly ProfileOptions[], accountCase: 'keep' | 'lower'): Profiles {
  const profiles = options.map(compileProfile)
  const expressions = profiles.flatMap(({ when, account, groups, attributes }) =>
    [when, account, groups, ...attributes.map(([, value]) => value)].filter((one) => one !== undefined),
  )
  return {
    reads: joinReads(expressions.map(({ reads }) => reads)),
    async shape(identity, facts) {
      const profile = await firstOf(profiles, facts)
      if (!profile) throw new PosternError('no-profile', 'no profile fits')
      return shaped(profile, identity, facts, accountCase)
    },
  }
}

function compileProfile({ name, when, account, groups, attributes }: ProfileOptions): Compiled {
  const value = (source: string | undefined) => (source === undefined ? undefined : compileExpression(source, 'value'))
  return {
    name,
    when: compileExpression(when, 'rule'),
    account: value(account),
    groups: value(groups),
    attributes: Object.entries(attributes).map(([key, source]) => [key, compileExpression(source, 'value')] as const),
  }
}

/** In order: one that cannot be decided ends it, for the next might give more than this one would have. */
async function firstOf(profiles: readonly Compiled[], facts: Facts): Promise<Compiled | undefined> {
  for (const profile of profiles) {
    if ((await valueIn(profile, 'when', profile.when, facts)) === true) return profile
  }
  return undefined
}

async function shaped(profile: Compiled, identity: Identity, facts: Facts, accountCase: 'keep' | 'lower'): Promise<Identity> {
  const account = profile.account ? await valueIn(profile, 'account', profile.account, facts) : identity.account
  const trouble = accountTrouble(account)
  if (trouble) throw new PosternError('account-missing', `profile ${profile.name}: ${trouble}`)
  const attributes: Record<string, Json> = {}
  for (const [name, expression] of profile.attributes) {
    const value = await valueIn(profile, `attributes.${name}`, expression, facts)
    if (value !== undefined) attributes[name] = value
  }
  return {
    ...identity,
    account: foldAccount(String(account), accountCase),
    groups: profile.groups ? listOf(await valueIn(profile, 'groups', profile.groups, facts)) : identity.groups,
    profile: { name: profile.name, attributes },
  }
}

async function valueIn({ name }: Compiled, key: string, expression: Expression, facts: Facts): Promise<Json | undefined> {
  try {
    return await expression.evaluate(facts)
  } catch (error) {
    const why = error instanceof EvaluationError ? error.message : 'it cannot be evaluated'
    throw new PosternError('no-profile', `profile ${name}, ${key}: ${why}`)
  }
}
