// `postern rules test`: every rule against the cases beside it. A rule without cases fails, for nobody knows what it does.
import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { compileExpression, type Expression, ExpressionError } from '../expression/compile.ts'
import { lineAndColumn } from '../expression/position.ts'
import { factsOfCase } from '../facts.ts'
import { compilePermit } from '../permission/permit.ts'
import { type RuleCase, readCases, readRuleFile } from '../permission/rule-file.ts'

type Out = (line: string) => void
const ruleEnding = '.jsonata'
const casesEnding = '.cases.yaml'

/** Prints one line per case and a summary; 0 where all passed, else 1. */
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
  const expression = await compiledRule(join(dir, name + ruleEnding), name, out)
  const { cases, isGood } = await casesOf(join(dir, name + casesEnding), name, out)
  const results = isGood ? [] : [false]
  if (!expression) return [...results, false]
  for (const one of cases) results.push(await testCase(name, expression, one, out))
  return results
}

async function compiledRule(file: string, name: string, out: Out): Promise<Expression | undefined> {
  const text = await readFile(file, 'utf8')
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

async function casesOf(
  file: string,
  name: string,
  out: Out,
): Promise<{ readonly cases: readonly RuleCase[]; readonly isGood: boolean }> {
  const text = await readFile(file, 'utf8').catch(() => undefined)
  if (text === undefined) {
    out(`FAIL  ${name}  has no cases  → write ${file}`)
    return { cases: [], isGood: false }
  }
  const { cases, problems } = readCases(text, file)
  for (const { line, column, key, message, advice } of problems)
    out(`FAIL  ${file}:${line}:${column}  ${key}  ${message}  → ${advice}`)
  return { cases, isGood: problems.length === 0 }
}

async function testCase(rule: string, expression: Expression, { name, facts, expect }: RuleCase, out: Out): Promise<boolean> {
  const verdict = await compilePermit([{ name: rule, expression }]).permit(factsOfCase(facts))
  const got = verdict.allowed ? 'allow' : 'deny'
  const why = verdict.detail === undefined ? '' : ` (${verdict.detail})`
  out(got === expect ? `ok    ${rule}  ${name}${why}` : `FAIL  ${rule}  ${name}: expected ${expect}, got ${got}${why}`)
  return got === expect
}
