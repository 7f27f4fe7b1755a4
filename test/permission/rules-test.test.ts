import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { rulesTest } from '../../src/commands/rules-test.ts'

describe('postern rules test', () => {
  let dir = ''
  beforeEach(async () => {
    dir = await mkdtemp(join(tmpdir(), 'rules-'))
  })
  afterEach(() => rm(dir, { recursive: true }))

  const run = async (files: Record<string, string>): Promise<{ code: number; lines: readonly string[] }> => {
    for (const [name, text] of Object.entries(files)) await writeFile(join(dir, name), text)
    const lines: string[] = []
    return { code: await rulesTest(dir, (line) => lines.push(line.replaceAll(`${dir}/`, ''))), lines }
  }

  it('prints a line for each case and passes where all agree', async () => {
    const cases = '- { name: ours, facts: { hd: x }, expect: allow }\n- { name: none, facts: {}, expect: deny }\n'
    expect(await run({ 'domain.jsonata': 'hd == "x"', 'domain.cases.yaml': cases })).toEqual({
      code: 0,
      lines: ['ok    domain  ours', 'ok    domain  none', 'cover domain  100 % (2 of 2 outcomes)', '2 passed, 0 failed'],
    })
  })

  it('fails where a case does not agree, and says why', async () => {
    const cases = '- { name: odd, facts: { ok: "true" }, expect: allow }\n- { name: open, facts: { ok: true }, expect: deny }\n'
    const { code, lines } = await run({ 'a.jsonata': 'ok and true', 'a.cases.yaml': cases })
    expect(code).toBe(1)
    expect(lines[0]).toMatch(/^FAIL {2}a\.cases\.yaml:1:3 {2}a {2}odd: expected allow, got deny \(a text stands where/)
    expect(lines[1]).toBe('FAIL  a.cases.yaml:2:3  a  open: expected deny, got allow')
    expect(lines.at(-1)).toBe('0 passed, 2 failed')
  })

  it('says which outcome of which condition no case has shown', async () => {
    const rule = '/** message: No. */\nhd = "x" and (level > 2 or\n  not $contains(email, "evil"))'
    const cases =
      '- { name: a, facts: { hd: x, level: 3, email: a }, expect: allow }\n- { name: b, facts: { hd: y }, expect: deny }\n'
    const { code, lines } = await run({ 'a.jsonata': rule, 'a.cases.yaml': cases })
    expect(code).toBe(0)
    expect(lines.filter((line) => !line.startsWith('hint'))).toEqual([
      'ok    a  a',
      'ok    a  b',
      'cover a  50 % (3 of 6 outcomes)',
      'open  a.jsonata:2:15  no case shows false  level > 2',
      'open  a.jsonata:3:7  no case shows true nor false  $contains(email, "evil")',
      '2 passed, 0 failed',
    ])
  })

  it('fails a rule of which the cases show less than is asked for', async () => {
    const files = { 'a.jsonata': 'hd = "x"', 'a.cases.yaml': '- { name: a, facts: { hd: x }, expect: allow }\n' }
    for (const [name, text] of Object.entries(files)) await writeFile(join(dir, name), text)
    const lines: string[] = []
    expect(await rulesTest(dir, (line) => lines.push(line), { minCoverage: 51 })).toBe(1)
    expect(lines).toContain('FAIL  a  50 % (1 of 2 outcomes), 51 % is asked for')
    expect(await rulesTest(dir, () => undefined, { minCoverage: 50 })).toBe(0)
  })

  it('fails a rule without cases, and one whose cases are none', async () => {
    const { code, lines } = await run({ 'a.jsonata': 'true', 'b.jsonata': 'true', 'b.cases.yaml': '[]' })
    expect(code).toBe(1)
    expect(lines).toEqual([
      'FAIL  a  has no cases  → write a.cases.yaml',
      'FAIL  b.cases.yaml:1:1    there are no cases  → write a list: - { name: …, facts: { … }, expect: allow }',
      '0 passed, 2 failed',
    ])
  })

  it('names file, line and column of what cannot be read', async () => {
    const { code, lines } = await run({
      'a.jsonata': '/** message: No. */\nhd == "x" and\n  )',
      'a.cases.yaml': '- { name: a, expect: maybe }',
    })
    expect(code).toBe(1)
    expect(lines[0]).toMatch(/^FAIL {2}a\.jsonata:3:3 {2}"\)" was not expected here {2}→ /)
    expect(lines[1]).toMatch(/^FAIL {2}a\.cases\.yaml:1:22 {2}\[0\]\.expect {2}/)
    expect(lines[2]).toBe('0 passed, 2 failed')
  })

  it('fails a case whose time is none, at its place', async () => {
    const rule = 'now < 5'
    const cases = '- name: a\n  facts: { now: 2026-13-02T09:00:00Z }\n  expect: deny\n'
    const { code, lines } = await run({ 'a.jsonata': rule, 'a.cases.yaml': cases })
    expect(code).toBe(1)
    expect(lines[0]).toBe('FAIL  a.cases.yaml:2:17  [0].facts.now  is no time  → write for example "2026-11-02T09:00:00Z"')
  })

  it('hints at a claim that no case shows, and passes all the same', async () => {
    const cases = '- { name: ours, facts: { hd: x }, expect: deny }\n'
    const { code, lines } = await run({ 'a.jsonata': '/* domain */\nhdd = "x"', 'a.cases.yaml': cases })
    expect([code, lines.at(-2)]).toEqual([
      0,
      'hint  a.jsonata:2:1  no case shows the claim hdd  → add a case that has it: its name may be misspelt',
    ])
  })

  it('fails cases whose rule is gone', async () => {
    const { code, lines } = await run({
      'a.jsonata': 'true',
      'a.cases.yaml': '- { name: a, expect: allow }',
      'old.cases.yaml': '[]',
    })
    expect([code, lines.at(-1)]).toEqual([1, '1 passed, 1 failed'])
    expect(lines).toContain('FAIL  old.cases.yaml  stands beside no rule  → write old.jsonata, or remove it')
  })

  it('fails where there are no rules, or no folder', async () => {
    expect((await run({})).code).toBe(1)
    expect(await rulesTest(join(dir, 'missing'), () => undefined)).toBe(1)
  })

  it('passes the rules that are shipped', async () => {
    const lines: string[] = []
    const code = await rulesTest(fileURLToPath(new URL('../../rules', import.meta.url)), (line) => lines.push(line), {
      minCoverage: 100,
    })
    expect(lines.filter((line) => line.startsWith('FAIL'))).toEqual([])
    expect(code).toBe(0)
  })
})
