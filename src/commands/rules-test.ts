// `postern rules test`: every rule against the cases beside it. A rule without cases fails, for nobody knows what it does.
import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { compileExpression, type Expression, ExpressionError } from '../expression/compile.ts'
import { lineAndColumn } from '../expression/position.ts'
import { factsOfCase } from '../facts.ts'
import { compilePermit } from '../permission/permit.ts'
import { type RuleCase, readCases, readRuleFile } from '../permission/rule-file.ts'

type Out = (line: string) => void
/** Prints one line per case and a summary; 0 where all passed, else 1. */
export async function rulesTest(dir: string, out: Out): Promise<number> {
  const names = await ruleNames(dir)
  if (!names || names.length === 0) {
    out(`${dir}: ${names ? 'there is no *.jsonata here' : 'this folder cannot be read'}  → name the folder that holds the rules`)
    return 1
  }
  let passed = 0
  let failed = 0
  for (const name of names) {
    for (const isPassed of await testRule(dir, name, out)) isPassed ? passed++ : failed++
  }
  out(`${passed} passed, ${failed} failed`)
  return failed === 0 ? 0 : 1
}

async function ruleNames(dir: string): Promise<readonly string[] | undefined> {
  try {
    const files = await readdir(dir)
    return files
      .filter((file) => file.endsWith('.jsonata'))
      .map((file) => file.slice(0, -'.jsonata'.length))
      .sort()
  } catch {
    return undefined
  }
}

/** One result per case; what keeps the cases from running counts as one that failed. */
async function testRule(dir: string, name: string, out: Out): Promise<readonly boolean[]> {
  const expression = await compiledRule(join(dir, `${name}.jsonata`), name, out)
  const { cases, isGood } = await casesOf(join(dir, `${name}.cases.yaml`), name, out)
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
