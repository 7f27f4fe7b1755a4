// Rules and header expressions of one route, for somebody: evaluated once, then kept as long as nothing they read has changed.
// A kept judgement hangs on the Identity object of a session (never on the account), and dies with the generation.
import { type Expression, joinReads, type Reads, readsKey, readsOnlyIdentity } from '../expression/compile.ts'
import { factsOf } from '../facts.ts'
import { compilePermit, describeRule, explainRule, type Rule } from '../permission/permit.ts'
import type { compileHeaderPlan } from '../rewrite/plan-headers.ts'
import type { ExplainedRule, Identity, Instant, Judgement, Portal, RequestView, Route, Verdict } from '../types.ts'

export interface JudgeParts {
  readonly portal: string
  readonly mode: Portal['mode']
  /** Provider name -> its own rules. */
  readonly providerRules: ReadonlyMap<string, readonly Rule[]>
  /** The portal's and the route's. */
  readonly rules: readonly Rule[]
  readonly headers: ReturnType<typeof compileHeaderPlan>
  readonly onRule: (rule: string, result: 'allow' | 'refuse' | 'error') => void
  /** The client's address as the provider's trusted source says it. */
  readonly seenBy: (request: RequestView, provider: string) => RequestView
}

/** Different inputs kept per person and route; a person who asks for more pays for the evaluation. */
const keptInputs = 64
/** Milliseconds a judgement that reads the time is kept. */
const keptTime = 1000

interface Compiled {
  readonly reads: Reads
  readonly evaluate: (identity: Identity, request: RequestView, now: Instant) => Promise<Judgement>
}

export function compileJudge(parts: JudgeParts): Route['judge'] {
  const byProvider = new Map([...parts.providerRules].map(([provider, rules]) => [provider, compileFor(parts, rules)] as const))
  const keptForIdentity = new WeakMap<Identity, Judgement>()
  const keptForInput = new WeakMap<Identity, Map<string, { readonly judgement: Judgement; readonly until: Instant }>>()

  return (identity, request, now) => {
    const known = keptForIdentity.get(identity)
    if (known) return known
    const compiled = byProvider.get(identity.provider)
    if (!compiled) return unknownProvider
    const { reads } = compiled
    if (readsOnlyIdentity(reads))
      return keep(compiled.evaluate(identity, request, now), (judgement) => keptForIdentity.set(identity, judgement))
    if (reads.everything) return compiled.evaluate(identity, request, now)

    const inputs = keptForInput.get(identity) ?? new Map<string, { readonly judgement: Judgement; readonly until: Instant }>()
    keptForInput.set(identity, inputs)
    const key = readsKey(
      { ...reads, time: false },
      factsOf(identity, parts.seenBy(request, identity.provider), parts.portal, now),
    )
    const kept = inputs.get(key)
    if (kept && now < kept.until) return kept.judgement
    if (inputs.size >= keptInputs) inputs.clear()
    return keep(compiled.evaluate(identity, request, now), (judgement) =>
      inputs.set(key, { judgement, until: reads.time ? now + keptTime : Number.POSITIVE_INFINITY }),
    )
  }
}

/** A rule that failed is asked again next time: it may have failed for want of time only. */
async function keep(evaluated: Promise<Judgement>, store: (judgement: Judgement) => void): Promise<Judgement> {
  const judgement = await evaluated
  if (judgement.verdict.reason !== 'rule-failed') store(judgement)
  return judgement
}

/** A session whose provider this portal does not list is nobody; should one come here all the same, it is refused. */
const unknownProvider: Judgement = {
  verdict: { allowed: false, reason: 'rule-failed', rule: '', detail: 'the provider is not one of this portal' },
}

function compileFor(parts: JudgeParts, providerRules: readonly Rule[]): Compiled {
  const rules = [...providerRules, ...parts.rules]
  const { permit, reads } = compilePermit(rules)
  return {
    reads: joinReads([reads, parts.headers.reads]),
    evaluate: async (identity, request, now) => {
      const facts = factsOf(identity, parts.seenBy(request, identity.provider), parts.portal, now)
      const verdict = await permit(facts)
      count(parts, rules, verdict)
      if (!verdict.allowed && parts.mode !== 'warn') return { verdict }
      return { verdict, headers: await parts.headers.plan(facts) }
    },
  }
}

function count(parts: JudgeParts, rules: readonly Rule[], verdict: Verdict): void {
  for (const rule of rules) {
    const decided = !verdict.allowed && rule.name === verdict.rule
    parts.onRule(rule.name, decided ? (verdict.reason === 'rule-failed' ? 'error' : 'refuse') : 'allow')
    if (decided) return
  }
}

/** Every rule of the route for this person, also those behind the one that refuses. Nothing is compiled before somebody asks. */
export function compileExplain(
  parts: Pick<JudgeParts, 'portal' | 'providerRules' | 'rules' | 'seenBy'>,
): NonNullable<Route['explain']> {
  return async (identity, request, now, unknown = new Set()) => {
    const rules = [...(parts.providerRules.get(identity?.provider ?? '') ?? []), ...parts.rules]
    if (!identity) return rules.map(describeRule)
    const facts = factsOf(identity, parts.seenBy(request, identity.provider), parts.portal, now)
    const explained: ExplainedRule[] = []
    for (const rule of rules) {
      const { reads } = rule.expression
      const gone = [...reads.request].filter((name) => unknown.has(name))
      if (gone.length > 0)
        explained.push({ ...describeRule(rule), detail: `it reads request.${gone.join(', request.')}, which is not kept` })
      else explained.push(await explainRule(rule, facts))
    }
    return explained
  }
}

/** The provider's and the portal's rules as they hold at the callback, where no route is chosen yet. */
export function compileAdmit(parts: Omit<JudgeParts, 'headers'>): Portal['admit'] {
  const byProvider = new Map(
    [...parts.providerRules].map(([provider, rules]) => [provider, compilePermit([...rules, ...parts.rules])] as const),
  )
  return async (identity, request, now) => {
    const compiled = byProvider.get(identity.provider)
    if (!compiled) return unknownProvider.verdict
    const verdict = await compiled.permit(factsOf(identity, parts.seenBy(request, identity.provider), parts.portal, now))
    return verdict.allowed || parts.mode !== 'warn' ? verdict : { ...verdict, allowed: true, reason: 'rule-would-refuse' }
  }
}

/** What these expressions read of the claims: a provider asks userinfo for what its ID token lacks of them. */
export function claimsRead(expressions: readonly Expression[]): ReadonlySet<string> {
  return new Set(expressions.flatMap((expression) => [...expression.reads.claims]))
}
