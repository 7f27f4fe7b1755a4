import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { rulesRecord } from '../../src/commands/rules-record.ts'
import { rulesTest } from '../../src/commands/rules-test.ts'
import { readCases } from '../../src/permission/rule-file.ts'
import { createStandIns } from '../../src/permission/stand-ins.ts'
import type { Json } from '../../src/types.ts'

describe('postern rules record', () => {
  let dir = ''
  beforeEach(async () => {
    dir = await mkdtemp(join(tmpdir(), 'record-'))
  })
  afterEach(() => rm(dir, { recursive: true }))

  const printed: string[] = []
  const record = async (rule: string, text: string, more: { request?: string; rule?: string; facts?: string } = {}) => {
    printed.length = 0
    await writeFile(join(dir, 'staff.jsonata'), rule)
    const code = await rulesRecord(
      { target: dir, text, ...more },
      (line) => printed.push(line),
      (line) => printed.push(line),
    )
    const written = await readFile(join(dir, 'staff.cases.yaml'), 'utf8').catch(() => '')
    return { code, written, cases: written === '' ? [] : readCases(written, 'staff').cases }
  }

  const line = (given: Record<string, string>) =>
    JSON.stringify({
      time: '2026-11-02T09:00:00.000Z',
      level: 'info',
      log: 'access',
      id: 'r1',
      method: 'GET',
      path: '/users/ann.smith/4711234',
      portal: 'home',
      decision: 'deny',
      provider: 'PLAY',
      rule: 'staff',
      account: 'ann.smith@company.com',
      clientIp: '10.9.8.7',
      ...given,
    })
  const explanation = (facts: Record<string, Json>) =>
    JSON.stringify({
      decision: 'deny',
      request: { id: 'r9', method: 'GET', path: '/', at: '2026-11-02T09:00:00Z' },
      portal: { name: 'home' },
      rules: [
        { name: 'other', result: 'allows', facts: {} },
        { name: 'staff', result: 'refuses', facts },
      ],
    })

  it('makes a case of the last refusal in a log, and the case holds', async () => {
    const log = [
      'no JSON',
      line({ id: 'r0', clientIp: '203.0.113.99' }),
      `pod-1 ${line({})}`,
      line({ rule: '', decision: 'allow' }),
    ].join('\n')
    const { code, cases } = await record('$emailDomain(account) = "example.org" and is_client_ip_private', log)
    expect(code).toBe(0)
    expect(cases).toEqual([
      { name: 'refused at home on 2026-11-02', facts: { account: 'person1@company.com', client_ip: '10.0.0.1' }, expect: 'deny' },
    ])
    expect(await rulesTest(dir, () => undefined)).toBe(0)
  })

  it('takes the request that is asked for', async () => {
    const log = `${line({ id: 'r0', clientIp: '198.51.100.4' })}\n${line({})}\n`
    const { cases } = await record('is_client_ip_private and false', log, { request: 'r0' })
    expect(cases[0]?.facts).toEqual({ client_ip: '203.0.113.1' })
    expect((await record('false', log, { request: 'gone' })).code).toBe(1)
    expect(printed[0]).toContain('no refusal with the id gone')
  })

  it('takes the facts of the rule that refused from an explanation', async () => {
    const text = explanation({ 'claims.department': 'X', 'request.path': '/admin', groups: ['users'] })
    const { code, cases } = await record('"staff" in groups and request.path = "/admin" and claims.department = "X"', text)
    expect(code).toBe(0)
    expect(cases[0]).toMatchObject({
      name: 'refused at home on 2026-11-02',
      facts: { claims: { department: 'X' }, request: { path: '/admin' }, groups: ['users'] },
    })
  })

  it('takes facts as they are, where the rule is named', async () => {
    const facts = JSON.stringify({ email: 'ann@company.com', sub: 'abc', hd: 'evil.org' })
    expect((await record('hd = "x"', facts)).code).toBe(1)
    expect(printed[0]).toContain('--rule NAME')
    const { cases } = await record('hd = "x"', facts, { rule: 'staff' })
    expect(cases).toEqual([{ name: 'refused', facts: { hd: 'evil.org' }, expect: 'deny' }])
  })

  it('adds what the log does not hold, and says what is still missing', async () => {
    const { cases } = await record('hd = "x" and level > 2', line({}), { facts: '{"hd": "evil.org"}' })
    expect(cases[0]?.facts).toEqual({ hd: 'evil.org' })
    expect(printed.filter((text) => text.startsWith('note'))).toEqual([
      'note: level is not in there: add it with --facts FILE where the person had it',
    ])
  })

  it('appends to the cases that are there', async () => {
    await writeFile(join(dir, 'staff.cases.yaml'), '- { name: first, facts: {}, expect: deny }')
    const { cases } = await record('hd = "x"', line({}))
    expect(cases.map(({ name }) => name)).toEqual(['first', 'refused at home on 2026-11-02'])
  })

  it('leaves nobody in the case, wherever they stood', async () => {
    const facts = {
      account: 'ann.smith@company.com',
      email: 'Ann.Smith@company.com',
      name: 'Ann Smith',
      sub: '8f14e45f-ceea-467f-a0e6-0f3d2c1b9a77',
      nested: { manager: 'Bob Jones', note: 'call Ann Smith at 10.9.8.7', ids: ['ann.smith@company.com', 1234567] },
      request: { path: '/users/ann.smith@company.com/orders/4711234', query: 'who=Ann%20Smith&x=1' },
      groups: ['staff'],
      device: 'of 5e2c7a10-1d2f-4222-8333-0a1b2c3d4e5f',
      roles: ['device-5e2c7a10-1d2f-4222-8333-0a1b2c3d4e5f'],
    }
    const { code, written } = await record('$count($keys($)) < 0', JSON.stringify(facts), { rule: 'staff' })
    expect(code).toBe(0)
    for (const secret of ['ann', 'smith', 'bob', 'jones', '8f14', '10.9.8.7', '4711234', '1234567', '5e2c7a10', '0a1b2c3d4e5f'])
      expect(written.toLowerCase()).not.toContain(secret)
    expect(written).toContain('person1@company.com')
    expect(written).toContain('groups: [ staff ]')
  })

  it('writes nothing where the rule would refuse for another reason than it did', async () => {
    const { code, written } = await record('$number(employee_id) > 9000000', explanation({ employee_id: '4711234' }))
    expect(code).toBe(1)
    expect(written).toBe('')
    expect(printed.join()).toContain('fails, which it did not before')
  })

  it('takes the rule that decided, not one behind it that refuses as well', async () => {
    const told = { ...(JSON.parse(explanation({ groups: ['guests'] })) as object), rule: 'by-query' }
    const { code, written } = await record('"staff" in groups', JSON.stringify(told))
    expect(code).toBe(1)
    expect(written).toBe('')
  })

  it('writes nothing where the case would not say what the refusal said', async () => {
    const { code, written } = await record('account != "x" and not $contains(account, /^ann/)', line({}))
    expect([code, written]).toEqual([1, ''])
    expect(printed[0]).toContain('nothing is recorded')
  })

  it.each([
    ['nothing', '', {}],
    ['a rule that is not there', line({ rule: 'gone' }), {}],
    ['a rule outside the folder', line({ rule: '../staff' }), {}],
    ['facts that are none', line({}), { facts: '[1]' }],
    ['a log where nobody is refused', line({ rule: '', decision: 'allow' }), {}],
  ])('says what is wrong with %s', async (_, text, more) => {
    const { code, written } = await record('false', text, more)
    expect([code, written]).toEqual([1, ''])
    expect(printed.join('\n')).toMatch(/^postern: .+ {2}→ .+/)
  })
})

describe('a stand-in', () => {
  const replace = (value: Json, name = 'x', literals: readonly string[] = []) =>
    createStandIns(new Set(literals)).replace(value, name)

  it.each([
    ['10.44.3.2', '10.0.0.1'],
    ['172.20.3.2', '172.20.0.1'],
    ['192.168.3.2', '192.168.0.1'],
    ['127.0.0.1', '127.0.0.1'],
    ['8.8.8.8', '203.0.113.1'],
    ['::ffff:10.44.3.2', '10.0.0.1'],
    ['fd12:3456::7', 'fd00::1'],
    ['2a00:1450::7', '2001:db8::1'],
  ])('for the address %s is %s', (given, other) => {
    expect(replace(given, 'client_ip')).toBe(other)
  })

  it('is the same for the same, and another for another', () => {
    const { replace: next } = createStandIns(new Set())
    expect(next(['a@x.com', 'b@x.com', 'A@X.com', 'a@y.org'], 'mails')).toEqual([
      'person1@x.com',
      'person2@x.com',
      'person1@x.com',
      'person3@y.org',
    ])
  })

  it('is not needed for what the rule itself says, for names of companies and groups, and for what is no text', () => {
    expect(replace('Bob', 'name', ['Bob'])).toBe('Bob')
    expect(replace({ hd: 'company.com', groups: ['a'], email_verified: 'yes', level: 3, ok: true, none: null })).toEqual({
      hd: 'company.com',
      groups: ['a'],
      email_verified: 'yes',
      level: 3,
      ok: true,
      none: null,
    })
  })
})
