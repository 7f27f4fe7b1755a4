// May this person do this: rules on facts, joined with *and*. Only exactly `true` lets in. Knows no portal, no request, no header.
import { type Expression, joinReads, type Reads } from '../expression/compile.ts'
import { kindOf } from '../expression/kinds.ts'
import type { Facts, Verdict } from '../types.ts'

export interface Rule {
  readonly name: string
  /** For the person it refuses, instead of the catalogue's sentence. */
  readonly message?: string
  readonly expression: Expression
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

async function judge({ name, message, expression }: Rule, facts: Facts): Promise<Verdict | undefined> {
  const refusal = { allowed: false, rule: name, ...(message !== undefined && { message }) }
  try {
    const value = await expression.evaluate(facts)
    if (value === true) return undefined
    if (value === false) return { ...refusal, reason: 'rule-refused' }
    const given = value === undefined ? 'nothing' : `a ${kindOf(value)}`
    return { ...refusal, reason: 'rule-refused', detail: `the rule gives ${given}, not true or false` }
  } catch (error) {
    return { ...refusal, reason: 'rule-failed', detail: error instanceof Error ? error.message : 'it cannot be evaluated' }
  }
}
