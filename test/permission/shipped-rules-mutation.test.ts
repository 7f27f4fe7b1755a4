import { readdirSync, readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { compileExpression } from '../../src/expression/compile.ts'
import { tokenize } from '../../src/expression/tokens.ts'
import { factsOfCase } from '../../src/facts.ts'
import { readCases, readRuleFile } from '../../src/permission/rule-file.ts'

/** What each operator becomes: the opposite, and what a slip of the pen would make of it. */
const flips: Readonly<Record<string, readonly string[]>> = {
  '=': ['!='],
  '==': ['!='],
  '!=': ['='],
  '<': ['>=', '<='],
  '<=': ['>', '<'],
  '>': ['<=', '>='],
  '>=': ['<', '>'],
  and: ['or'],
  or: ['and'],
  not: [''],
  in: ['=', '!='],
}

function mutants(source: string): readonly { readonly name: string; readonly text: string }[] {
  return tokenize(source).flatMap(({ text, start, end, kind, first }) => {
    const isOperator = kind === 'operator' || (kind === 'name' && (text === 'not' ? first : !first))
    if (!isOperator) return []
    return (flips[text] ?? []).map((other) => ({
      name: `${text} at ${start} as ${other || 'nothing'}`,
      text: source.slice(0, start) + other + source.slice(end),
    }))
  })
}

const folder = new URL('../../rules/', import.meta.url)
const rules = readdirSync(folder)
  .filter((file) => file.endsWith('.jsonata'))
  .map((file) => file.replace('.jsonata', ''))
  .map((name) => ({
    name,
    source: readRuleFile(readFileSync(new URL(`${name}.jsonata`, folder), 'utf8'), name).source,
    cases: readCases(readFileSync(new URL(`${name}.cases.yaml`, folder), 'utf8'), name).cases,
  }))

async function failedCases(source: string, cases: (typeof rules)[number]['cases']): Promise<readonly string[]> {
  const { evaluate } = compileExpression(source, 'rule')
  const failed: string[] = []
  for (const { name, facts, expect: wanted } of cases) {
    const value = await evaluate(factsOfCase(facts)).catch(() => undefined)
    if ((value === true) !== (wanted === 'allow')) failed.push(name)
  }
  return failed
}

describe.each(rules)('the cases of $name', ({ source, cases }) => {
  it('hold', async () => {
    expect(await failedCases(source, cases)).toEqual([])
  })

  it('fail where the whole rule is turned round', async () => {
    const { length } = await failedCases(`$not(${source})`, cases)
    expect(length).toBeGreaterThan(0)
  })

  it('fail where any one of its operators is flipped', async () => {
    const survivors: string[] = []
    for (const { name, text } of mutants(source)) if ((await failedCases(text, cases)).length === 0) survivors.push(name)
    expect(survivors).toEqual([])
  })
})

it('the rules that are shipped use every operator there is to flip', () => {
  const found = new Set(rules.flatMap(({ source }) => mutants(source)).map(({ name }) => name.split(' ')[0]))
  expect([...found].sort()).toEqual(['!=', '<', '<=', '=', '==', '>=', 'and', 'in', 'not', 'or'])
})
