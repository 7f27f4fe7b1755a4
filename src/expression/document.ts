// What goes into an evaluation and what comes out: copies both ways, so that nothing can be changed through an expression.
import type { Facts, Json } from '../types.ts'
import { EvaluationError } from './errors.ts'
import { isFunctionMark, kindOf } from './kinds.ts'

/** Names by which jsonata marks its own functions and sequences: a claim must not be able to pretend. */
const marks = new Set(['__proto__', '_jsonata_lambda', '_jsonata_function', 'outerWrapper', 'tupleStream'])
const deepest = 32

/** A copy without prototypes and marks. Levels below the 32nd are left out. */
export function documentOf(facts: Facts): Facts {
  return copyIn(facts, 0) as Facts
}

function copyIn(value: unknown, depth: number): Json | undefined {
  if (typeof value !== 'object' || value === null) return value as Json
  if (depth > deepest) return undefined
  if (Array.isArray(value)) return value.map((item) => copyIn(item, depth + 1)).filter((item) => item !== undefined)
  const copy: Record<string, Json> = Object.create(null)
  for (const [name, member] of Object.entries(value)) {
    const inner = marks.has(name) ? undefined : copyIn(member, depth + 1)
    if (inner !== undefined) copy[name] = inner
  }
  return copy
}

/** A result as plain JSON. Throws EvaluationError where it is a function or no finite number. */
export function resultOf(value: unknown): Json | undefined {
  if (value === undefined || value === null || typeof value === 'string' || typeof value === 'boolean') return value
  if (typeof value === 'number' && Number.isFinite(value)) return value
  if (typeof value !== 'object' || isFunctionMark(value))
    throw new EvaluationError(`the result is a ${kindOf(value)}, not a value`)
  if (Array.isArray(value)) return Array.from(value, (item) => resultOf(item) ?? null)
  const members = Object.entries(value).map(([name, member]) => [name, resultOf(member)] as const)
  return Object.fromEntries(members.filter((entry): entry is readonly [string, Json] => entry[1] !== undefined))
}
