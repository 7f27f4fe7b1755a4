// Rules and header expressions of one route, for somebody: each evaluated once, then kept as long as nothing it reads has
// changed. What is kept hangs on the Identity object of a session (never on the account), and dies with the generation.
import { type Expression, joinReads, type Reads, readsOnlyIdentity } from '../expression/compile.ts'
import { factsOf } from '../facts.ts'
import { compilePermit, describeRule, explainRule, type Rule } from '../permission/permit.ts'
import type { compileHeaderPlan } from '../rewrite/plan-headers.ts'
import type { ExplainedRule, Facts, Identity, Instant, Judgement, Portal, RequestView, Route, Verdict } from '../types.ts'

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

/** Different inputs kept per person and expression; a person who asks for more pays for the evaluation. */
const keptInputs = 64
/** Milliseconds that a value is kept which reads the time. */
const keptTime = 1000

type Ask<T> = (identity: Identity, request: RequestView, now: Instant) => T | Promise<T>

/** A known input costs one look-up. Beneath, rules and headers keep answers of their own: a new path is asked only of what reads it. */
export function compileJudge(parts: JudgeParts): Route['judge'] {
  const byProvider = new Map([...parts.providerRules].map(([provider, rules]) => [provider, judgeFor(parts, rules)] as const))
  const unlisted: Ask<Judgement> = () => unknownProvider
  return (identity, request, now) => (byProvider.get(identity.provider) ?? unlisted)(identity, request, now)
}

/** A session whose provider this portal does not list is nobody; should one come here all the same, it is refused. */
const unknownProvider: Judgement = {
  verdict: { allowed: false, reason: 'rule-failed', rule: '', detail: 'the provider is not one of this portal' },
}

function judgeFor(parts: JudgeParts, providerRules: readonly Rule[]): Ask<Judgement> {
  const rules = [...providerRules, ...parts.rules]
  const whole = joinReads([...rules.map(({ expression }) => expression.reads), parts.headers.reads])
  const verdicts = rules.map((rule) => verdictOf(parts, rule, whole))
  const headers = part(parts, parts.headers.reads, whole, (facts) => parts.headers.plan(facts))
  const judge: Ask<Judgement> = async (identity, request, now) => {
    const refusal = await firstRefusal(verdicts, identity, request, now)
    if (refusal && parts.mode !== 'warn') return { verdict: refusal }
    return { verdict: refusal ?? allowed, headers: await headers(identity, request, now) }
  }
  return keep(parts, whole, judge, ({ verdict }) => isSettled(verdict))
}

const allowed: Verdict = { allowed: true, reason: 'allowed', rule: '' }
/** A rule that failed is asked again next time: it may have failed for want of time only. */
const isSettled = ({ reason }: Verdict): boolean => reason !== 'rule-failed'

function verdictOf(parts: JudgeParts, rule: Rule, whole: Reads): Ask<Verdict> {
  const { permit, reads } = compilePermit([rule])
  const evaluate = async (facts: Facts): Promise<Verdict> => {
    const verdict = await permit(facts)
    parts.onRule(rule.name, verdict.allowed ? 'allow' : isSettled(verdict) ? 'refuse' : 'error')
    return verdict
  }
  return part(parts, reads, whole, evaluate, isSettled)
}

async function firstRefusal(
  verdicts: readonly Ask<Verdict>[],
  identity: Identity,
  request: RequestView,
  now: Instant,
): Promise<Verdict | undefined> {
  for (const ask of verdicts) {
    const verdict = await ask(identity, request, now)
    if (!verdict.allowed) return verdict
  }
  return undefined
}

/** Kept by itself only where it reads less than the whole does: else the judgement is kept as long already. */
function part<T>(
  parts: JudgeParts,
  reads: Reads,
  whole: Reads,
  evaluate: (facts: Facts) => Promise<T>,
  isKept: (value: T) => boolean = () => true,
): Ask<T> {
  const ask: Ask<T> = (identity, request, now) =>
    evaluate(factsOf(identity, parts.seenBy(request, identity.provider), parts.portal, now))
  // a second of its own on top of the judgement's would make two
  if (reads.time || weightOf(reads) >= weightOf(whole)) return ask
  return keep(parts, reads, ask, isKept)
}

/** How much of what changes from request to request is read. */
const weightOf = ({ everything, request, clientAddress, time }: Reads): number =>
  everything ? Number.POSITIVE_INFINITY : request.size + Number(clientAddress) + Number(time)

/** Keeps answers on the Identity object as long as nothing changes of what is read. What rejects is not kept. */
function keep<T>(parts: JudgeParts, reads: Reads, ask: Ask<T>, isKept: (value: T) => boolean): Ask<T> {
  if (reads.everything) return ask
  if (readsOnlyIdentity(reads)) return keepForIdentity(ask, isKept)
  const key = inputKey(parts, reads)
  const known = new WeakMap<Identity, Map<string, Kept<T>>>()
  return (identity, request, now) => {
    const input = key(request, identity.provider)
    const kept = known.get(identity)?.get(input)
    if (kept && now < kept.until) return kept.value
    return settled(ask(identity, request, now), (value) => {
      if (!isKept(value)) return
      const inputs = known.get(identity) ?? new Map<string, Kept<T>>()
      const [oldest] = inputs.size >= keptInputs ? inputs.keys() : []
      if (oldest !== undefined) inputs.delete(oldest)
      inputs.set(input, { value, until: reads.time ? now + keptTime : Number.POSITIVE_INFINITY })
      known.set(identity, inputs)
    })
  }
}

function keepForIdentity<T>(ask: Ask<T>, isKept: (value: T) => boolean): Ask<T> {
  const known = new WeakMap<Identity, { readonly value: T }>()
  return (identity, request, now) => {
    const kept = known.get(identity)
    if (kept) return kept.value
    return settled(ask(identity, request, now), (value) => {
      if (isKept(value)) known.set(identity, { value })
    })
  }
}

async function settled<T>(asked: T | Promise<T>, store: (value: T) => void): Promise<T> {
  const value = await asked
  store(value)
  return value
}

interface Kept<T> {
  readonly value: T
  readonly until: Instant
}

/**
 * What is read of the request, as one text that no other input gives. Built from its fields: to make the facts for every
 * request costs more than all the rest of a warm judgement.
 */
function inputKey(parts: JudgeParts, reads: Reads): (request: RequestView, provider: string) => string {
  const fields = (['method', 'host', 'path', 'query'] as const).filter((field) => reads.request.has(field))
  return (request, provider) => {
    let key = reads.clientAddress ? (parts.seenBy(request, provider).clientAddress ?? '') : ''
    for (const field of fields) key += `\n${request[field].length} ${request[field]}`
    return key
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
