// `postern rules test`: every rule against the cases beside it. A rule without cases fails, for nobody knows what it does;
// what the cases leave untried is printed.
import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { type Expression, ExpressionError } from '../expression/compile.ts'
import { type Covered, compileCovered, coverageOf } from '../expression/coverage.ts'
import { lintRule } from '../expression/lint.ts'
import { lineAndColumn } from '../expression/position.ts'
import { factsOfCase } from '../facts.ts'
import { compilePermit } from '../permission/permit.ts'
import { type Cases, type RuleCase, readCases, readRuleFile } from '../permission/rule-file.ts'

type Out = (line: string) => void
const ruleEnding = '.jsonata'
const casesEnding = '.cases.yaml'

export interface RulesTestOptions {
  /** Per cent of the outcomes that the cases of each rule must have shown. Default 0. */
  readonly minCoverage?: number
}

/** Prints one line per case, what the cases leave open, hints on what cannot be meant, and a summary; 0 where all passed, else 1. */
export async function rulesTest(dir: string, out: Out, { minCoverage = 0 }: RulesTestOptions = {}): Promise<number> {
  const files = await readdir(dir).catch(() => undefined)
  const names = withEnding(files ?? [], ruleEnding)
  if (!files || names.length === 0) {
    out(`${dir}: ${files ? 'there is no *.jsonata here' : 'this folder cannot be read'}  → name the folder that holds the rules`)
    return 1
  }
  const results: boolean[] = []
  for (const name of names) results.push(...(await testRule(dir, name, minCoverage, out)))
  for (const name of withEnding(files, casesEnding).filter((cases) => !names.includes(cases))) {
    out(`FAIL  ${join(dir, name + casesEnding)}  stands beside no rule  → write ${name}${ruleEnding}, or remove it`)
    results.push(false)
  }
  const passed = results.filter(Boolean).length
  out(`${passed} passed, ${results.length - passed} failed`)
  return passed === results.length ? 0 : 1
}

const withEnding = (files: readonly string[], ending: string): readonly string[] =>
  files
    .filter((file) => file.endsWith(ending))
    .map((file) => file.slice(0, -ending.length))
    .sort()

/** One result per case; what keeps the cases from running counts as one that failed. */
async function testRule(dir: string, name: string, minCoverage: number, out: Out): Promise<readonly boolean[]> {
  const file = join(dir, name + ruleEnding)
  const text = await readFile(file, 'utf8')
  const covered = compiledRule(file, text, name, out)
  const { cases, places, isGood } = await casesOf(join(dir, name + casesEnding), name, out)
  const results = isGood ? [] : [false]
  if (!covered) return [...results, false]
  for (const [index, one] of cases.entries()) {
    const { line, column } = places[index] ?? { line: 1, column: 1 }
    results.push(await testCase(name, covered.expression, one, `${join(dir, name + casesEnding)}:${line}:${column}`, out))
  }
  if (cases.length > 0 && !reportCoverage({ file, text, name, covered, minCoverage }, out)) results.push(false)
  hint(file, text, cases, out)
  return results
}

interface Coverage {
  readonly file: string
  readonly text: string
  readonly name: string
  readonly covered: Covered
  readonly minCoverage: number
}
/** Prints what no case has shown; false where that is too much. */
function reportCoverage({ file, text, name, covered, minCoverage }: Coverage, out: Out): boolean {
  const { conditions } = covered
  const percent = coverageOf(conditions)
  const seen = conditions.reduce((sum, condition) => sum + condition.seen.size, 0)
  const isEnough = percent >= minCoverage
  out(
    `${isEnough ? 'cover' : 'FAIL '} ${name}  ${percent} % (${seen} of ${2 * conditions.length} outcomes)${isEnough ? '' : `, ${minCoverage} % is asked for`}`,
  )
  for (const condition of conditions.filter(({ seen: outcomes }) => outcomes.size < 2)) {
    const { line, column } = lineAndColumn(text, condition.offset + readRuleFile(text, name).offset)
    const open = [true, false].filter((outcome) => !condition.seen.has(outcome)).join(' nor ')
    out(`open  ${file}:${line}:${column}  no case shows ${open}  ${condition.text}`)
  }
  return isEnough
}

function compiledRule(file: string, text: string, name: string, out: Out): Covered | undefined {
  const { source, offset } = readRuleFile(text, name)
  try {
    return compileCovered(source)
  } catch (error) {
    if (!(error instanceof ExpressionError)) throw error
    const { line, column } = lineAndColumn(text, error.offset + offset)
    out(`FAIL  ${file}:${line}:${column}  ${error.message}  → ${error.advice}`)
    return undefined
  }
}

/** What `check` would warn about, a claim that no case shows among it. */
function hint(file: string, text: string, cases: readonly RuleCase[], out: Out): void {
  const { source, offset } = readRuleFile(text, file)
  for (const { offset: at, message, advice } of lintRule(source, cases)) {
    const { line, column } = lineAndColumn(text, at + offset)
    out(`hint  ${file}:${line}:${column}  ${message}  → ${advice}`)
  }
}

async function casesOf(file: string, name: string, out: Out): Promise<Cases & { readonly isGood: boolean }> {
  const text = await readFile(file, 'utf8').catch(() => undefined)
  if (text === undefined) {
    out(`FAIL  ${name}  has no cases  → write ${file}`)
    return { cases: [], places: [], problems: [], isGood: false }
  }
  const read = readCases(text, file)
  for (const { line, column, key, message, advice } of read.problems)
    out(`FAIL  ${file}:${line}:${column}  ${key}  ${message}  → ${advice}`)
  return { ...read, isGood: read.problems.length === 0 }
}

async function testCase(
  rule: string,
  expression: Expression,
  { name, facts, expect }: RuleCase,
  place: string,
  out: Out,
): Promise<boolean> {
  const verdict = await compilePermit([{ name: rule, expression }]).permit(factsOfCase(facts))
  const got = verdict.allowed ? 'allow' : 'deny'
  const why = verdict.detail === undefined ? '' : ` (${verdict.detail})`
  out(got === expect ? `ok    ${rule}  ${name}${why}` : `FAIL  ${place}  ${rule}  ${name}: expected ${expect}, got ${got}${why}`)
  return got === expect
}
