// What can be wrong with an expression: before it runs (ExpressionError), while it runs (EvaluationError).
import { kindOf } from './kinds.ts'

/** The expression cannot be used. `advice` says what to write instead. */
export class ExpressionError extends Error {
  override readonly name = 'ExpressionError'
  /** 0-based in the source as it was written. */
  readonly offset: number
  readonly advice: string
  /** The header it belongs to, where a map of expressions was compiled. */
  readonly subject?: string
  constructor(message: string, offset: number, advice: string, subject?: string) {
    super(message)
    this.offset = offset
    this.advice = advice
    if (subject !== undefined) this.subject = subject
  }
}

/** The expression gave no value. The message names types and places, never a value: claims do not belong into a log. */
export class EvaluationError extends Error {
  override readonly name = 'EvaluationError'
  /** 0-based in the source as it was written; undefined where it cannot be told. */
  readonly offset: number | undefined
  constructor(message: string, offset?: number) {
    super(message)
    this.offset = offset
  }
}

/** What jsonata throws: a plain object more often than an Error. */
export interface JsonataFailure {
  readonly code?: string
  readonly message?: string
  /** Set by jsonata on errors of ours, too, on their way out. */
  readonly position?: number
  readonly token?: unknown
  readonly value?: unknown
  readonly value2?: unknown
}

export const failureOf = (thrown: unknown): JsonataFailure =>
  typeof thrown === 'object' && thrown !== null ? (thrown as JsonataFailure) : {}

const cutOff = new Map([
  ['D1011', 'it calls itself without end, or is nested too deeply'],
  ['D1012', 'it takes too long'],
  ['D2014', 'a list in it grows too long'],
  ['D2015', 'a list in it grows too long'],
])

/** @param originOf from a position jsonata names to an offset in the source as it was written */
export function evaluationErrorOf(thrown: unknown, originOf: (position: number) => number): EvaluationError {
  const failure = failureOf(thrown)
  const offset = failure.position === undefined ? undefined : originOf(failure.position)
  if (thrown instanceof EvaluationError) return new EvaluationError(thrown.message, offset)
  if (thrown instanceof Error || failure.code === undefined) {
    return new EvaluationError(thrown instanceof RangeError ? 'it grows too large' : 'it cannot be evaluated', offset)
  }
  return new EvaluationError(cutOff.get(failure.code) ?? withoutValues(failure), offset)
}

function withoutValues({ message = 'it cannot be evaluated', value, value2 }: JsonataFailure): string {
  return [value, value2].reduce<string>((text, hidden) => {
    const shown = JSON.stringify(hidden)
    return shown === undefined ? text : text.replaceAll(shown, kindOf(hidden))
  }, message)
}
