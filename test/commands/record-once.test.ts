// `postern rules record` with what a log does not hold, and with what it has recorded before.
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { rulesRecord } from '../../src/commands/rules-record.ts'
import { readCases } from '../../src/permission/rule-file.ts'

let dir = ''
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'record-'))
})
afterEach(() => rm(dir, { recursive: true }))

async function record(rule: string, text: string, facts?: string) {
  await writeFile(join(dir, 'staff.jsonata'), rule)
  const said: string[] = []
  const print = (line: string) => void said.push(line)
  const code = await rulesRecord({ target: dir, text, facts }, print, print)
  const { cases } = readCases(await readFile(join(dir, 'staff.cases.yaml'), 'utf8'), 'staff')
  return { code, said, notes: said.filter((line) => line.startsWith('note')), names: cases.map(({ name }) => name) }
}
const line = (clientIp = '10.9.8.7', id = 'r1') =>
  JSON.stringify({
    log: 'access',
    id,
    time: '2026-11-02T09:00:00Z',
    portal: 'home',
    rule: 'staff',
    account: 'ann',
    path: '/',
    clientIp,
  })
const explained = (facts: object) =>
  JSON.stringify({ decision: 'deny', request: { id: 'r1' }, rules: [{ name: 'staff', result: 'refuses', facts }] })
const note = (name: string) => `note: ${name} is not in there: add it with --facts FILE where the person had it`

describe('what a log does not hold', () => {
  it('is said: groups as well as claims', async () => {
    expect((await record('"staff" in groups', line())).notes).toEqual([note('groups')])
  })
  it.each([
    ['acr = "phr"', ['acr']],
    ['now - authenticated_at < 1000 and account = "x"', ['authenticated_at']],
    ['profile.name = "a" and hd = "b"', ['profile', 'hd']],
    ['request.query = "a" and request.host = "b"', ['request.query', 'request.host']],
    ['auth.profile.type = 1', ['auth']],
    ['$count($keys($)) < 0', ['groups', 'claims', 'request.query', 'request.host']],
  ])('is said for %s', async (rule, names) => {
    expect((await record(rule, line())).notes).toEqual(names.map(note))
  })
  it('is not missed where it was added, or where the rule does not ask', async () => {
    expect((await record('"staff" in groups', line(), '{"groups": ["guests"]}')).notes).toEqual([])
    expect((await record('account = "x" and client_ip = "1.2.3.4" and portal = "x"', line())).notes).toEqual([])
  })
  it('is all there in an explanation: what is missing was missing', async () => {
    expect((await record('acr = "phr" and "staff" in groups', explained({ groups: [] }))).notes).toEqual([])
  })
})

describe('the same refusal', () => {
  it('is recorded once, and said to be there', async () => {
    await record('is_client_ip_private = false', line())
    const again = await record('is_client_ip_private = false', line())
    expect([again.code, again.names]).toEqual([0, ['refused at home on 2026-11-02']])
    expect(again.said.join()).toContain('there already: refused at home on 2026-11-02')
  })
  it('is another one with other facts, and has another name; and is known under it, too', async () => {
    const rule = '$count($split(client_ip, ".")) = 3 or is_client_ip_private = "x"'
    const names = ['refused at home on 2026-11-02', 'refused at home on 2026-11-02 (2)']
    await record(rule, line('10.9.8.7'))
    expect((await record(rule, line('203.0.113.9'))).names).toEqual(names)
    expect((await record(rule, line('203.0.113.9'))).names).toEqual(names)
  })
})
