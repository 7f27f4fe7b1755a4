// The cases beside a rule: wherever they are written, they have to hold at every load.
import type { Expression } from '../expression/compile.ts'
import { factsOfCase, timeTrouble } from '../facts.ts'
import { type Cases, type RuleCase, readCases } from '../permission/rule-file.ts'
import type { Path, Place } from './positions.ts'
import type { Reading } from './reading.ts'

/** As they stand in a file, each with its place. */
export interface FileCases extends Cases {
  readonly file: string
}

/** The cases beside a rule file: undefined where there are none to go by, with a warning; or an error where they cannot be read. */
export async function casesBeside(rule: string, path: Path, start: Place, reading: Reading): Promise<FileCases | undefined> {
  const file = rule.replace(/\.jsonata$/, '.cases.yaml')
  const read = await reading.text(file)
  if ('trouble' in read) {
    reading.problems.warning(path, `has no cases: ${file} ${read.trouble}`, 'write cases, and run `postern rules test`', start)
    return undefined
  }
  const cases = readCases(read.text, file)
  for (const { line, column, message, advice } of cases.problems)
    reading.problems.error(path, message, advice, { file, line, column })
  return cases.problems.length > 0 ? undefined : { ...cases, file }
}

/** Runs the cases beside a rule file. */
export async function checkFileCases(
  expression: Expression,
  { cases, places, file }: FileCases,
  path: Path,
  reading: Reading,
): Promise<void> {
  for (const [index, one] of cases.entries()) {
    const said = await verdictOf(expression, one)
    if (said !== one.expect)
      reading.problems.error(path, ...failure(said), { file, ...(places[index] ?? { line: 1, column: 1 }) })
  }
}

/** Runs the cases of a rule written on the spot. */
export async function checkInlineCases(
  expression: Expression,
  cases: readonly RuleCase[],
  path: Path,
  reading: Reading,
): Promise<void> {
  for (const [index, one] of cases.entries()) {
    const at = [...path, 'cases', index]
    if (reading.problems.isSettled([...at, 'expect'])) continue
    const wrong = timeTrouble(one.facts)
    if (wrong) {
      reading.problems.error([...at, 'facts', wrong.key], wrong.message, wrong.advice)
      continue
    }
    const said = await verdictOf(expression, one)
    if (said !== one.expect) reading.problems.error(at, ...failure(said))
  }
}

const failure = (said: string) => [`this case does not hold: the rule says ${said}`, 'mend the rule or the case'] as const

async function verdictOf(expression: Expression, { facts }: RuleCase): Promise<RuleCase['expect']> {
  const value = await expression.evaluate(factsOfCase(facts)).catch(() => undefined)
  return value === true ? 'allow' : 'deny'
}
