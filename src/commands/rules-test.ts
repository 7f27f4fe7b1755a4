// `postern rules test`: every rule against the cases beside it. A rule without cases fails, for nobody knows what it does.
import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { compileExpression, type Expression, ExpressionError } from '../expression/compile.ts'
import { lintRule } from '../expression/lint.ts'
import { lineAndColumn } from '../expression/position.ts'
import { factsOfCase } from '../facts.ts'
import { compilePermit } from '../permission/permit.ts'
import { type Cases, type RuleCase, readCases, readRuleFile } from '../permission/rule-file.ts'

type Out = (line: string) => void
const ruleEnding = '.jsonata'
const casesEnding = '.cases.yaml'

/** Prints one line per case, hints on what cannot be meant, and a summary; 0 where all passed, else 1. */
export async function rulesTest(dir: string, out: Out): Promise<number> {
  const files = await readdir(dir).catch(() => undefined)
  const names = withEnding(files ?? [], ruleEnding)
  if (!files || names.length === 0) {
    out(`${dir}: ${files ? 'there is no *.jsonata here' : 'this folder cannot be read'}  → name the folder that holds the rules`)
    return 1
  }
  const results: boolean[] = []
  for (const name of names) results.push(...(await testRule(dir, name, out)))
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
async function testRule(dir: string, name: string, out: Out): Promise<readonly boolean[]> {
  const file = join(dir, name + ruleEnding)
  const text = await readFile(file, 'utf8')
  const expression = compiledRule(file, text, name, out)
  const { cases, places, isGood } = await casesOf(join(dir, name + casesEnding), name, out)
  const results = isGood ? [] : [false]
  if (!expression) return [...results, false]
  for (const [index, one] of cases.entries()) {
    const { line, column } = places[index] ?? { line: 1, column: 1 }
    results.push(await testCase(name, expression, one, `${join(dir, name + casesEnding)}:${line}:${column}`, out))
  }
  hint(file, text, cases, out)
  return results
}

function compiledRule(file: string, text: string, name: string, out: Out): Expression | undefined {
  const { source, offset } = readRuleFile(text, name)
  try {
    return compileExpression(source, 'rule')
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
