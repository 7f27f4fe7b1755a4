// One expression of the configuration: compiled and looked over, each complaint at its place inside the text.
import { compileExpression, type Expression, ExpressionError } from '../expression/compile.ts'
import { lintRule } from '../expression/lint.ts'
import type { Known } from '../expression/lint-literals.ts'
import type { RuleCase } from '../permission/rule-file.ts'
import type { Path, Place } from './positions.ts'
import type { Reading } from './reading.ts'

/** From an offset in an expression to its place. */
export type Locate = (offset: number) => Place

/** The expression; undefined where it cannot be used, with the problem said. */
export function compiled(
  source: string,
  use: 'rule' | 'value',
  path: Path,
  locate: Locate,
  { problems }: Reading,
): Expression | undefined {
  try {
    return compileExpression(source, use)
  } catch (error) {
    if (!(error instanceof ExpressionError)) throw error
    problems.error(path, error.message, error.advice, locate(error.offset))
    return undefined
  }
}

export function lint(
  source: string,
  cases: readonly RuleCase[] | undefined,
  path: Path,
  locate: Locate,
  { problems }: Reading,
  known?: Known,
): void {
  for (const { offset, message, advice } of lintRule(source, cases, known))
    problems.warning(path, message, advice, locate(offset))
}

/** An expression that stands in the configuration itself; undefined where it cannot be used. */
export function compiledAt(source: string, use: 'rule' | 'value', path: Path, reading: Reading): Expression | undefined {
  if (reading.problems.isSettled(path)) return undefined
  return compiled(source, use, path, locateIn(path, source, reading), reading)
}

export const locateIn =
  (path: Path, source: string, { problems }: Reading): Locate =>
  (offset) =>
    problems.positions.locateInside(path, source, offset)
