// May this person do this: rules on facts, joined with *and*. Only exactly `true` lets in. Knows no portal, no request, no header.
import { type Expression, joinReads, type Reads } from '../expression/compile.ts'
import { decisiveParts } from '../expression/decisive.ts'
import { factsRead } from '../expression/facts-read.ts'
import { kindOf } from '../expression/kinds.ts'
import { lineAndColumn } from '../expression/position.ts'
import type { ExplainedRule, Facts, Json, RuleOwner, Verdict } from '../types.ts'

export interface Rule {
  readonly name: string
  /** For the person it refuses, instead of the catalogue's sentence. */
  readonly message?: string
  readonly expression: Expression
  /** Default: the portal's. */
  readonly of?: RuleOwner
  /** Where the expression begins. */
  readonly place?: { readonly file: string; readonly line: number }
}
export interface Permit {
  readonly reads: Reads
  permit(facts: Facts): Promise<Verdict>
}

const allowed: Verdict = { allowed: true, reason: 'allowed', rule: '' }

/** The first rule that is not exactly true decides; without rules everybody may. Never rejects. */
export function compilePermit(rules: readonly Rule[]): Permit {
  return {
    reads: joinReads(rules.map(({ expression }) => expression.reads)),
    permit: async (facts) => {
      for (const rule of rules) {
        const refusal = await judge(rule, facts)
        if (refusal) return refusal
      }
      return allowed
    },
  }
}

async function judge(rule: Rule, facts: Facts): Promise<Verdict | undefined> {
  return refusalOf(rule, await ask(rule, facts))
}

type Asked = { readonly value: Json | undefined } | { readonly error: unknown }

const ask = ({ expression }: Rule, facts: Facts): Promise<Asked> =>
  expression.evaluate(facts).then(
    (value) => ({ value }),
    (error: unknown) => ({ error }),
  )

function refusalOf({ name, message }: Rule, asked: Asked): Verdict | undefined {
  const refusal = { allowed: false, rule: name, ...(message !== undefined && { message }) }
  if ('error' in asked) {
    const { error } = asked
    return { ...refusal, reason: 'rule-failed', detail: error instanceof Error ? error.message : 'it cannot be evaluated' }
  }
  const { value } = asked
  if (value === true) return undefined
  if (value === false) return { ...refusal, reason: 'rule-refused' }
  const given = value === undefined ? 'nothing' : `a ${kindOf(value)}`
  return { ...refusal, reason: 'rule-refused', detail: `the rule gives ${given}, not true or false` }
}

/** The same evaluation and the same verdict, told at length. Never rejects. */
export async function explainRule(rule: Rule, facts: Facts): Promise<ExplainedRule> {
  const asked = await ask(rule, facts)
  const refusal = refusalOf(rule, asked)
  const value = 'value' in asked ? asked.value : undefined
  const parts = await decisiveParts(rule.expression.source, facts)
  return {
    ...describeRule(rule),
    result: refusal === undefined ? 'allows' : refusal.reason === 'rule-failed' ? 'fails' : 'refuses',
    ...(value === undefined ? {} : { value }),
    ...(refusal?.detail === undefined ? {} : { detail: refusal.detail }),
    ...factsRead(rule.expression.reads, facts),
    decidedBy: parts.map(({ offset, ...part }) => ({ ...part, ...lineOf(rule, offset) })),
  }
}

function lineOf({ place, expression }: Rule, offset: number): { readonly line?: number } {
  return place ? { line: place.line + lineAndColumn(expression.source, offset).line - 1 } : {}
}

/** A rule that was not asked. */
export const describeRule = ({ name, message, of = 'portal', place }: Rule): ExplainedRule => ({
  name,
  of,
  ...place,
  ...(message === undefined ? {} : { message }),
  result: 'not asked',
  facts: {},
  missing: [],
  decidedBy: [],
})
