// One expression, ready to run: bounded in time, depth and size, with strict operands, on a document that holds nothing but
// what it reads. Knows nothing of rules, portals or headers.
import type { Facts, Json } from '../types.ts'
import { documentOf, resultOf } from './document.ts'
import { evaluationErrorOf, failureOf } from './errors.ts'
import { nowVariable, registerFunctions } from './functions.ts'
import { longestEvaluation, type Parsed, parseExpression } from './parse.ts'
import { pick, type Reads, readsOf } from './reads.ts'
import { makeStrict } from './strict.ts'
import { inTurn } from './turns.ts'
import { limitWeight } from './weight.ts'

export { EvaluationError, ExpressionError } from './errors.ts'
export { joinReads, type Reads, readsKey, readsOnlyIdentity } from './reads.ts'

export interface Expression {
  /** As it was written. */
  readonly source: string
  readonly reads: Reads
  /** Undefined where the expression gives nothing. Rejects with EvaluationError where it fails or is cut off. */
  evaluate(facts: Facts): Promise<Json | undefined>
}

/**
 * Compiles JSONata or the simple dialect.
 * @param use how a complaint calls it: a `rule` decides, a `value` is written somewhere
 * @throws ExpressionError, its offset in `source`
 */
export function compileExpression(source: string, use: 'rule' | 'value'): Expression {
  const parsed = parseExpression(source, use === 'rule' ? 'the rule' : 'the expression')
  return expressionOf(source, parsed, readsOf(parsed.root))
}

/** @param reads of the tree as it was parsed */
export function expressionOf(source: string, parsed: Parsed, reads: Reads): Expression {
  makeStrict(parsed.root)
  registerFunctions(parsed.program)
  limitWeight(parsed.program)
  return { source, reads, evaluate: (facts) => inTurn(parsed, () => run(parsed, reads, facts)) }
}

/** jsonata counts time by the clock on the wall, which also runs while a busy machine or a CPU limit keeps us waiting. */
const attempts = 5

async function run(parsed: Parsed, reads: Reads, facts: Facts): Promise<Json | undefined> {
  const bindings = { [nowVariable]: facts['now'] }
  for (let attempt = 1; ; attempt++) {
    const cpu = attempt === 1 ? undefined : process.threadCpuUsage()
    try {
      return resultOf(await parsed.program.evaluate(documentOf(pick(reads, facts)), bindings))
    } catch (thrown) {
      const isOurs = attempt === attempts || (cpu !== undefined && usedSince(cpu) > longestEvaluation / 2)
      if (failureOf(thrown).code === 'D1012' && !isOurs) continue
      throw evaluationErrorOf(thrown, parsed.originOf)
    }
  }
}

/** Milliseconds of CPU this thread has used. */
function usedSince(start: NodeJS.CpuUsage): number {
  const { user, system } = process.threadCpuUsage(start)
  return (user + system) / 1000
}
