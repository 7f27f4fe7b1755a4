// What happens between the provider's answer and the rules: post-login actions, profiles with provisioning, account links.
import { z } from 'zod'
import { callKeys, withMethod } from './calls.ts'
import { block, flag, name, someTime } from './values.ts'

const factName = z
  .string()
  .regex(/^[A-Za-z_][A-Za-z0-9_]{0,63}$/, 'is no name of a fact → use letters, digits and underscores, as in entitlements')

const postLoginAction = z.strictObject({
  name: z.exactOptional(name).describe('For logs. Default: its place in the list, from 1.'),
  call: z.strictObject(callKeys).transform(withMethod).describe('The call. `token.access` is known in its expressions only.'),
  set: z
    .record(factName, block, { error: 'must hold names with expressions → write { NAME: answer.member }' })
    .prefault({})
    .describe('Names with JSONata over the facts, `answer` and `status`: what they yield joins the facts.'),
  onError: z
    .enum(['deny', 'continue'])
    .prefault('deny')
    .describe('When the call fails: nobody gets in, or the sign-in goes on without what it would have set.'),
  timeout: someTime.prefault('5s').describe('For the whole call.'),
})

const provision = z
  .strictObject({
    ...callKeys,
    method: callKeys.method.describe('Default: `POST`.'),
    timeout: someTime.prefault('10s').describe('For the call and its repetitions together.'),
  })
  .transform((call) => ({ ...call, method: call.method ?? ('POST' as const) }))

const profile = z.strictObject({
  name: z.exactOptional(name).describe('What logs and `profile.name` call it. Default: its place in the list, from 1.'),
  when: block.describe('JSONata over the facts; the first profile for which it is exactly `true` is taken.'),
  account: z.exactOptional(block).describe('JSONata: what the portal calls the person. Default: as the provider says.'),
  groups: z.exactOptional(block).describe('JSONata that yields text or a list. Default: as the provider says.'),
  attributes: z
    .record(factName, block, { error: 'must hold names with expressions → write { department: claims.dept }' })
    .prefault({})
    .describe('Names with JSONata: known as `profile.NAME` from then on.'),
  provision: z
    .exactOptional(provision)
    .describe('The call that creates or updates the user in the portal: once per account, again when the shape changed.'),
})

const numbered = <T extends { name?: string }>(items: readonly T[]): readonly (T & { name: string })[] =>
  items.map((item, index) => ({ ...item, name: item.name ?? String(index + 1) }))

/** Of every provider that people sign in at. */
export const signingIn = {
  postLogin: z
    .array(postLoginAction, {
      error: 'must be a list of calls → write - call: { url: … } with set: { NAME: answer.member }',
    })
    .prefault([])
    .transform(numbered)
    .describe('Calls made, in this order, when somebody has signed in.'),
  profiles: z
    .exactOptional(
      z
        .array(profile, { error: 'must be a list of profiles → write - when: EXPRESSION with account, groups or attributes' })
        .transform(numbered),
    )
    .describe('The first that fits shapes the person; none: refused. Empty: everybody is refused. Absent: none are wanted.'),
  link: z
    .exactOptional(
      z.strictObject({
        first: z
          .literal('email', { error: 'is not email → write first: email' })
          .describe('How a person is found the first time.'),
        verified: flag.prefault(true).describe('`false`: an e-mail address that the provider has not verified is believed too.'),
      }),
    )
    .describe('Accounts kept by `(iss, sub)` once the first sign-in has found them. Needs `server.state`.'),
}

export type PostLoginConfig = z.output<(typeof signingIn)['postLogin']>[number]
export type ProfileConfig =
  z.output<NonNullable<(typeof signingIn)['profiles']>> extends infer L
    ? NonNullable<L> extends readonly (infer P)[]
      ? P
      : never
    : never
export type ProvisionConfig = NonNullable<ProfileConfig['provision']>
export type LinkConfig = NonNullable<z.output<(typeof signingIn)['link']>>
export type CallConfig = PostLoginConfig['call']
