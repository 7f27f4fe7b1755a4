import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { createServer, type IncomingMessage } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { rulesCommand } from '../../src/commands/rules-command.ts'

const configuration = (admin = 9090) => `
server: { publicUrl: "https://home.company.com", admin: "127.0.0.1:${admin}", adminToken: let-me-in-0123456789 }
rulesDir: .
session: { keys: [AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8] }
providers:
  - { name: PLAY, protocol: OIDC, issuer: "https://idp.company.com", clientId: a, clientSecret: b }
  - { name: GATE, protocol: WEBSEAL, trustedSourceIps: [10.0.0.1] }
portals:
  - name: home
    publicUrl: https://home.company.com
    upstream: http://127.0.0.1:1
    providers: [PLAY]
    rules: [staff]
    routes:
      - { path: /public/**, access: public }
      - { path: /old, methods: [POST], access: blocked }
      - { path: /strong, acr: phr }
      - { path: /tools, rules: [{ name: inside, when: is_client_ip_private }] }
  - { name: try, publicUrl: "https://try.company.com", upstream: "http://127.0.0.1:2", providers: [GATE], rules: [staff], mode: warn }
`
const people = `
people:
  - { name: Ann, facts: { groups: [staff], acr: phr, client_ip: 10.1.2.3 } }
  - { name: "<Bob>", facts: { groups: [guests], client_ip: 203.0.113.7 } }
  - { name: Cleo, facts: { provider: GATE, groups: staff } }
  - { name: nobody }
requests: [/elsewhere?x=1]
`

let dir = ''
const lines: string[] = []
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'matrix-'))
  lines.length = 0
  for (const [name, text] of Object.entries({
    'postern.yaml': configuration(),
    'people.yaml': people,
    'staff.jsonata': '"staff" in groups',
    'staff.cases.yaml': '- { name: in, facts: { groups: [staff] }, expect: allow }\n- { name: out, facts: {}, expect: deny }\n',
  }))
    await writeFile(join(dir, name), text)
})
afterEach(() => rm(dir, { recursive: true }))

const run = (args: readonly string[], input = '') =>
  rulesCommand(args, {
    env: {},
    clock: () => 1_800_000_000_000,
    config: join(dir, 'postern.yaml'),
    input: async () => input,
    out: (line) => lines.push(line),
    err: (line) => lines.push(line),
  })

describe('postern rules test --matrix', () => {
  it('says for every person and route what serving would decide', async () => {
    expect(await run(['test', '--config', join(dir, 'postern.yaml'), '--matrix'])).toBe(0)
    const rows = lines.map((line) => line.split(/ {2,}/)).filter((row) => row.length === 5)
    const dashes = (row: readonly string[]) => /^-+$/.test(row[0] ?? '')
    expect(rows.filter((row) => !dashes(row))).toEqual([
      ['home', 'Ann', '<Bob>', 'Cleo', 'nobody'],
      ['GET /', 'allow', 'deny staff', 'sign in', 'sign in'],
      ['GET /public/x', 'allow (public)', 'allow (public)', 'allow (public)', 'allow (public)'],
      ['POST /old', 'deny (route-blocked)', 'deny (route-blocked)', 'deny (route-blocked)', 'deny (route-blocked)'],
      ['GET /strong', 'allow', 'deny staff', 'sign in', 'sign in'],
      ['GET /tools', 'allow', 'deny staff', 'sign in', 'sign in'],
      ['GET /elsewhere?x=1', 'allow', 'deny staff', 'sign in', 'sign in'],
      ['try', 'Ann', '<Bob>', 'Cleo', 'nobody'],
      ['GET /', 'allow', 'allow, warned by staff', 'allow', 'sign in'],
      ['GET /elsewhere?x=1', 'allow', 'allow, warned by staff', 'allow', 'sign in'],
    ])
  })

  it('asks the rules of a route, and how strong the sign-in was', async () => {
    await writeFile(join(dir, 'people.yaml'), '[{ name: Dan, facts: { groups: [staff], client_ip: 203.0.113.7 } }]')
    expect(await run(['test', '--matrix'])).toBe(0)
    expect(lines).toEqual(expect.arrayContaining([expect.stringMatching(/^GET \/tools +deny inside$/)]))
    expect(lines).toEqual(expect.arrayContaining([expect.stringMatching(/^GET \/strong +sign in \(sign-in-not-fresh\)$/)]))
  })

  it('writes a page that loads nothing and shows every text as text', async () => {
    const file = join(dir, 'matrix.html')
    expect(await run(['test', '--html', file])).toBe(0)
    const page = await readFile(file, 'utf8')
    expect(page).toContain('<td class="deny">deny staff</td>')
    expect(page).toContain('<th scope="col">&lt;Bob&gt;</th>')
    expect(page).not.toMatch(/<Bob>|<script|src=|href=|url\(/)
  })

  it('fails with the cases, and says all the same who may do what', async () => {
    await writeFile(join(dir, 'lonely.jsonata'), 'true')
    expect(await run(['test', '--matrix'])).toBe(1)
    expect(lines.some((line) => line.startsWith('GET /public/x'))).toBe(true)
  })

  it.each([
    ['nothing', '', 'there are no people'],
    ['a person without a name', '- facts: {}', 'a person needs a name'],
    ['facts of the request', '- { name: a, facts: { request: {} } }', 'it comes with the request'],
    ['an unknown key', '- { name: a, groups: [b] }', 'this key is not known'],
    ['a request that is none', '{ people: [{ name: a }], requests: [get] }', 'is no request'],
    ['broken YAML', '- {', 'no valid YAML'],
  ])('refuses people.yaml with %s', async (_, text, said) => {
    await writeFile(join(dir, 'people.yaml'), text)
    expect(await run(['test', '--matrix'])).toBe(1)
    expect(lines.at(-1)).toMatch(new RegExp(`people\\.yaml:1:\\d+ {2}.*${said}.* {2}→ `))
  })

  it('refuses a file of people that is not there, an odd percentage and too many folders', async () => {
    expect(await run(['test', '--people', join(dir, 'none.yaml')])).toBe(1)
    expect(await run(['test', '--min-coverage', 'much'])).toContain('--min-coverage')
    expect(await run(['test', 'a', 'b'])).toContain('rules test [DIR]')
    expect(await run([])).toContain('rules record')
  })
})

describe('postern rules record', () => {
  const refusal = JSON.stringify({
    log: 'access',
    id: 'r1',
    portal: 'home',
    rule: 'staff',
    account: 'ann@company.com',
    path: '/',
  })

  it('reads standard input', async () => {
    expect(await run(['record', dir, '--from', '-', '--facts', join(dir, 'missing.json')], refusal)).toBe(1)
    expect(await run(['record', dir, '--from', '-'], refusal)).toBe(0)
    expect(await readFile(join(dir, 'staff.cases.yaml'), 'utf8')).toContain('refused at home')
    expect(await run(['record', dir])).toContain('--from')
  })

  it('asks the running Postern for a request', async () => {
    const seen: IncomingMessage[] = []
    const explanation = {
      decision: 'deny',
      request: { id: 'r 7' },
      rules: [{ name: 'staff', result: 'refuses', facts: { groups: ['guests'] } }],
    }
    const admin = createServer((request, response) => {
      seen.push(request)
      response.writeHead(request.url === '/explain?request=r+7' ? 200 : 404).end(JSON.stringify(explanation))
    })
    await new Promise<void>((resolve) => admin.listen(0, '127.0.0.1', resolve))
    try {
      await writeFile(join(dir, 'postern.yaml'), configuration((admin.address() as AddressInfo).port))
      expect(await run(['record', dir, '--request', 'r 7'])).toBe(0)
      expect(seen[0]?.headers.authorization).toBe('Bearer let-me-in-0123456789')
      expect(await readFile(join(dir, 'staff.cases.yaml'), 'utf8')).toContain('groups: [ guests ]')
      expect(await run(['record', dir, '--request', 'gone'])).toBe(1)
      expect(lines.at(-1)).toContain('does not know the request gone')
    } finally {
      admin.close()
    }
  })
})
