import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { parse } from 'yaml'
import { compileExpression } from '../../src/expression/compile.ts'
import { lintRule } from '../../src/expression/lint.ts'
import { factsOfCase } from '../../src/facts.ts'
import { compileHeaderPlan } from '../../src/rewrite/plan-headers.ts'

const page = readFileSync(new URL('../../docs/rules.md', import.meta.url), 'utf8')
const section = (title: string) => page.split(`## ${title}\n`)[1]?.split('\n## ')[0] ?? ''
const table = section('What a rule can ask').split('\n\n')[0] ?? ''
const examples = [...table.matchAll(/^\| ([^|`]+) \| `(.+)` \|$/gm)].map(
  ([, purpose, source]) => [purpose ?? '', source ?? ''] as const,
)

describe('the examples of docs/rules.md', () => {
  const good: Record<string, Record<string, never> | object> = {
    'a hosted domain': { hd: 'company.com' },
    'a mail domain': { email: 'ann@company.com', email_verified: true },
    'members of a group': { groups: ['staff'] },
    'members of one of several': { groups: ['users', 'partners'] },
    'one of several accounts': { account: 'bob' },
    'one network': { client_ip: '10.1.1.1' },
    'reading only': { request: { method: 'HEAD' } },
    'a second factor': { amr: ['mfa'] },
    'people who signed in within the hour': { now: 3_600_000, authenticated_at: 1 },
    'everybody but': { groups: ['staff'] },
  }
  it('are all tried here', () => {
    expect(examples.map(([purpose]) => purpose)).toEqual(Object.keys(good))
  })

  it.each(examples)('%s: %s', async (purpose, source) => {
    expect(lintRule(source)).toEqual([])
    const rule = compileExpression(source, 'rule')
    expect(await rule.evaluate(factsOfCase((good[purpose] ?? {}) as Record<string, never>))).toBe(true)
    const bad = factsOfCase({ groups: ['suspended'], account: 'eve', request: { method: 'POST' }, now: 9_000_000 })
    expect(await rule.evaluate(bad)).not.toBe(true)
  })

  it('hold for headers, too', async () => {
    const yaml = /```yaml\n(headers:[\s\S]*?)```/.exec(page)?.[1] ?? ''
    const plan = compileHeaderPlan(parse(yaml).headers, 'utf8_uri').plan
    const facts = factsOfCase({ account: 'ann', groups: ['users', 'app-a'], claims: { email: 'a@b.c', name: 'Jörg' } })
    expect(await plan(facts)).toEqual([
      ...['iv-user', 'ann', 'iv-groups', '"users","app-a"', 'x-email', 'a@b.c', 'x-roles', 'app-a'],
      ...['x-name', Buffer.from('Jörg').toString('latin1')],
    ])
  })
})
