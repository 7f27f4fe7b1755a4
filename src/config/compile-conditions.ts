// Conditions of a portal's providers, kept while what they read does not change. Each fails closed in its own direction.
import { LRUCache } from 'lru-cache'
import { type Expression, readsKey } from '../expression/compile.ts'
import { factsOf, factsOfNobody } from '../facts.ts'
import type { Condition } from '../types.ts'

/** Different inputs kept per condition. */
const kept = 1000

/**
 * @param onFailure what an expression that cannot be evaluated stands for: false for the use of a provider, true for the need
 * of a second factor
 */
export function compileCondition(expression: Expression, portal: string, onFailure: boolean): Condition {
  const answers = new LRUCache<string, { readonly is: boolean }>({ max: kept })
  const { reads } = expression
  return (identity, request, now) => {
    const facts = identity ? factsOf(identity, request, portal, now) : factsOfNobody(request, portal, now)
    const key = reads.everything || reads.time ? undefined : readsKey(reads, facts)
    const known = key === undefined ? undefined : answers.get(key)
    if (known) return known.is
    return expression.evaluate(facts).then(
      (value) => {
        // a second factor is only spared by a plain false
        const is = onFailure ? value !== false : value === true
        if (key !== undefined) answers.set(key, { is })
        return is
      },
      () => onFailure,
    )
  }
}
