// The cases beside a rule, as far as a load looks at them: those written on the spot have to hold.
import type { Expression } from '../expression/compile.ts'
import { factsOfCase } from '../facts.ts'
import { type RuleCase, readCases } from '../permission/rule-file.ts'
import type { Path, Place } from './positions.ts'
import type { Reading } from './reading.ts'

/** The cases beside a rule file: undefined where there are none to go by, with a warning. */
export async function casesBeside(
  rule: string,
  path: Path,
  start: Place,
  reading: Reading,
): Promise<readonly RuleCase[] | undefined> {
  const file = rule.replace(/\.jsonata$/, '.cases.yaml')
  const read = await reading.text(file)
  if ('trouble' in read) {
    reading.problems.warning(path, `has no cases: ${file} ${read.trouble}`, 'write cases, and run `postern rules test`', start)
    return undefined
  }
  const { cases, problems } = readCases(read.text, file)
  for (const { line, column, message, advice } of problems)
    reading.problems.warning(path, message, advice, { file, line, column })
  return problems.length > 0 ? undefined : cases
}

/** Runs the cases of a rule written on the spot. */
export async function checkInlineCases(
  expression: Expression,
  cases: readonly RuleCase[],
  path: Path,
  reading: Reading,
): Promise<void> {
  for (const [index, { facts, expect }] of cases.entries()) {
    if (reading.problems.isSettled([...path, 'cases', index, 'expect'])) continue
    const value = await expression.evaluate(factsOfCase(facts)).catch(() => undefined)
    const said = value === true ? 'allow' : 'deny'
    if (said !== expect)
      reading.problems.error(
        [...path, 'cases', index],
        `this case does not hold: the rule says ${said}`,
        'mend the rule or the case',
      )
  }
}
