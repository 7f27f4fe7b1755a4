// What the values made on the way may weigh. One object that stands twice in the next one, and so on, costs nothing to make and
// doubles with each step for whoever walks through it: jsonata's comparisons, `$string`, the copy of the result. No clock is
// looked at inside those, so such a value is refused before it gets there.
import type jsonata from 'jsonata'
import { EvaluationError } from './errors.ts'
import { isFunctionMark } from './kinds.ts'

/** Values and characters, counted as often as they would be walked through. The answer of a post-login call may have 1 MiB. */
const heaviest = 4 * 1024 * 1024
/** jsonata calls what stands under this name with the value of every part of an expression. */
const afterEach = Symbol.for('jsonata.__evaluate_exit')

export function limitWeight(program: Pick<jsonata.Expression, 'assign'>): void {
  // jsonata declares names as texts, and takes what is none
  program.assign(afterEach as unknown as string, (_node: unknown, _input: unknown, _environment: unknown, value: unknown) => {
    if (weightOf(value) > heaviest) throw new EvaluationError('a value in it grows too large')
  })
}

/** Of what is complete: a value that was weighed is never changed, only copied. */
const weights = new WeakMap<object, number>()

function weightOf(value: unknown): number {
  if (typeof value === 'string') return 1 + value.length
  if (typeof value !== 'object' || value === null || isFunctionMark(value)) return 1
  const known = weights.get(value)
  if (known !== undefined) return known
  let weight = 1
  for (const name of Object.keys(value)) {
    weight += weightOf(value[name as keyof typeof value]) + (Array.isArray(value) ? 0 : name.length)
    if (weight > heaviest) break
  }
  weights.set(value, weight)
  return weight
}
