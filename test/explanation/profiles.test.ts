// Profiles and post-login actions: who somebody is behind them is told by an explanation as a sign-in makes it, and nobody is called.
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { explainCommand } from '../../src/commands/explain.ts'
import { rulesCommand } from '../../src/commands/rules-command.ts'
import type { Explanation } from '../../src/explanation/explanation.ts'
import type { Json } from '../../src/types.ts'
import { client, company, type Place, startWorld, type World } from '../scenarios/promises/world.ts'
import { valuesOf } from '../support/mirror-portal.ts'
import { type Service, startService } from '../support/service.ts'

let api: Service
let world: World
const level: Readonly<Record<string, number>> = { anna: 3, bert: 1, dora: 1, eddi: 3 }
const accounts = {
  ...company,
  dora: { claims: { email: 'dora@partner.com', email_verified: true, hd: 'partner.com', groups: ['admins'] } },
  eddi: { claims: { email: 'eddi@mycompany.com', email_verified: true, hd: 'mycompany.com', groups: ['none'] } },
}

const configuration = ({ portal, play }: Place): string => `
rulesDir: .
providers:
  - name: PLAY
    protocol: OIDC
    issuer: ${play}
    ${client.replace(', ', '\n    ')}
    accountCase: lower
    postLogin:
      - name: directory
        call: { url: "${api.url}/levels/{claims.email}", headers: { authorization: "Bearer {token.access}" } }
        set: { level: answer.level, unit: answer.unit }
    rules: [{ name: not-none, when: 'not ("none" in groups)' }]
    profiles:
      - name: chiefs
        when: hd = "mycompany.com" and level > 2
        account: '"CHIEF-" & $substringBefore(email, "@")'
        attributes: { grade: level, unit: unit }
      - { name: staff, when: hd = "mycompany.com", groups: '["staff"]', attributes: { wanted: request.path } }
      - { name: partners, when: hd = "partner.com", account: '"p-" & account', groups: '["guests"]' }
portals:
  - name: home
    host: home.localhost
    upstream: ${portal}
    providers: [PLAY]
    headers: { iv-user: account, iv-groups: groups, x-profile: profile.name, x-profile-all: "$string(profile)", x-level: level, x-claim: claims.level }
    routes:
      - { path: /staff/**, rules: [staff] }
      - { path: /chiefs/**, rules: [{ name: chiefs, when: profile.grade = 3 }] }
      - { path: /public/**, access: public }
`

beforeAll(async () => {
  api = await startService(({ target }) => {
    const [name = ''] = decodeURIComponent(target.replace('/levels/', '')).split('@')
    return { body: { level: level[name] ?? 0, unit: `u-${name}` } }
  })
  world = await startWorld({
    portals: ['home'],
    accounts,
    configuration,
    files: () => ({
      'staff.jsonata': '"staff" in groups or profile.name = "chiefs"',
      'staff.cases.yaml':
        '- { name: in, facts: { groups: [staff] }, expect: allow }\n- { name: out, facts: { profile: { name: x } }, expect: deny }\n',
    }),
  })
})
afterAll(async () => {
  await world.stop()
  await api.close()
})

type Name = keyof typeof accounts
const claimsOf = (name: string): Record<string, Json> => ({
  sub: name,
  ...(accounts[name as Name]?.claims as Record<string, Json>),
  level: level[name] ?? 0,
  unit: `u-${name}`,
})
const told = async (name: string, path: string, claims: Record<string, Json> = claimsOf(name)): Promise<Explanation> => {
  const query = new URLSearchParams({ portal: 'home', path, claims: JSON.stringify(claims), 'client-ip': '127.0.0.1' })
  return (await (await fetch(`${world.postern.adminUrl}/explain?${query}`)).json()) as Explanation
}
const config = () => join(world.postern.folder, 'postern.yaml')
async function command(name: string, path: string): Promise<Explanation> {
  const claims = join(world.postern.folder, 'claims.json')
  await writeFile(claims, JSON.stringify(claimsOf(name)))
  const out: string[] = []
  const asked = { portal: 'home', path, claims, clientIp: '127.0.0.1' }
  await explainCommand(
    { config: config(), json: true, env: {}, clock: () => world.postern.time.now, asked },
    (line) => out.push(line),
    () => undefined,
  )
  return JSON.parse(out.join('\n')) as Explanation
}

const names = ['anna', 'bert', 'carl', 'dora', 'eddi']
const paths = ['/', '/staff/x', '/chiefs/x']
const headers = ['iv-user', 'iv-groups', 'x-profile', 'x-profile-all', 'x-level', 'x-claim']

describe('explain and a sign-in', () => {
  it.each(names.flatMap((name) => paths.map((path) => [name, path] as const)))(
    'make the same of %s at %s',
    async (name, path) => {
      const page = await world.somebody().open(world.url('home', path), name)
      const asked = api.asked.length
      for (const said of [await told(name, path), await command(name, path)]) {
        expect(said.status ?? 200).toBe(page.status)
        const access = world.postern.logs.filter(({ log }) => log === 'access').at(-1)
        if (said.decision !== 'allow') {
          expect([said.reason, said.rule ?? '']).toEqual([String(access?.['reason']), access?.['rule']])
          continue
        }
        const sent = headers.map((header) => said.headers.flatMap((one) => (one.name === header ? [one.value] : [])))
        expect(sent).toEqual(headers.map((header) => valuesOf(world.lastSeen(), header)))
      }
      expect(api.asked.length).toBe(asked)
    },
  )

  it('shows both what would be let in and what would not: the comparison compares', async () => {
    expect(await told('anna', '/chiefs/x')).toMatchObject({ decision: 'allow', person: { account: 'chief-anna' } })
    expect(await told('bert', '/chiefs/x')).toMatchObject({ decision: 'deny', rule: 'chiefs', person: { groups: ['staff'] } })
    expect(await told('dora', '/staff/x')).toMatchObject({ person: { account: 'p-dora@partner.com', groups: ['guests'] } })
  })

  it('refuse whom no profile fits, and say who it was, with no rule asked', async () => {
    const said = await told('carl', '/staff/x')
    expect(said).toMatchObject({ decision: 'deny', reason: 'no-profile', status: 403, person: { account: 'carl@other.org' } })
    expect(said.rules.map(({ result }) => result)).toEqual(['not asked'])
    expect(await told('carl', '/public/x')).toMatchObject({ decision: 'allow', reason: 'public' })
  })
})

describe('what an explanation does not ask', () => {
  it('is missing, and said to be', async () => {
    const { level: _, ...claims } = claimsOf('anna')
    const said = await told('anna', '/', claims)
    expect(said.person?.account).toBe('anna@mycompany.com')
    expect(said.notes).toEqual([
      'post-login actions of PLAY are not asked (directory), and they may refuse: level is missing  → give what they would set under this name',
    ])
    expect((await told('anna', '/')).notes).toEqual([
      'post-login actions of PLAY are not asked (directory), and they may refuse: level, unit as given',
    ])
  })
  it('is also null where it is said so', async () => {
    const said = await told('anna', '/', { ...claimsOf('anna'), level: null })
    expect(said.headers.filter(({ name }) => name === 'x-profile')).toEqual([{ name: 'x-profile', value: 'staff' }])
  })
  it('is a link', async () => {
    const linked = configuration(world).replace('accountCase: lower', 'link: { first: email }')
    const state = `sqlite:${join(world.postern.folder, 'state.db')}`
    const file = join(world.postern.folder, 'linked.yaml')
    await writeFile(
      file,
      `server: { publicUrl: "${world.url('home')}", state: "${state}" }\nsession: { keys: [AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8] }\n${linked}`,
    )
    const claims = join(world.postern.folder, 'claims.json')
    await writeFile(claims, JSON.stringify(claimsOf('bert')))
    const out: string[] = []
    const asked = { portal: 'home', path: '/', claims }
    await explainCommand(
      { config: file, json: false, env: {}, clock: Date.now, asked },
      (line) => out.push(line),
      () => undefined,
    )
    expect(out[0]).toContain('ALLOW')
    expect(out.filter((line) => line.startsWith('note: account links of PLAY are not looked up'))).toHaveLength(1)
  })
})

describe('the matrix', () => {
  const matrix = async (people: readonly object[], html = false) => {
    await writeFile(join(world.postern.folder, 'people.yaml'), JSON.stringify({ people }))
    const out: string[] = []
    const print = (line: string) => void out.push(line)
    const page = join(world.postern.folder, 'matrix.html')
    const args = ['test', '--config', config(), '--matrix', ...(html ? ['--html', page] : [])]
    await rulesCommand(args, { env: {}, clock: Date.now, config: '', input: async () => '', out: print, err: print })
    const rows = out.map((line) => line.split(/ {2,}/)).filter(([first]) => first?.startsWith('GET '))
    return { rows, page, notes: out.filter((line) => line.startsWith('note')) }
  }

  it('says what a sign-in ends in', async () => {
    const { sub: _, ...anna } = claimsOf('anna')
    const { rows, notes } = await matrix([
      { name: 'anna', facts: anna },
      ...['bert', 'carl', 'eddi'].map((name) => ({ name, facts: claimsOf(name) })),
      { name: 'nobody' },
    ])
    expect(rows).toEqual([
      ['GET /', 'allow', 'allow', 'deny (no-profile)', 'deny not-none', 'sign in'],
      ['GET /staff/x', 'allow', 'allow', 'deny (no-profile)', 'deny not-none', 'sign in'],
      ['GET /chiefs/x', 'allow', 'deny chiefs', 'deny (no-profile)', 'deny not-none', 'sign in'],
      ['GET /public/x', 'allow (public)', 'allow (public)', 'allow (public)', 'allow (public)', 'allow (public)'],
    ])
    expect(notes).toEqual([expect.stringContaining('level, unit as given')])
  })

  it('takes people who name their profile as they are, and says what they lack, in the page, too', async () => {
    const { rows, notes, page } = await matrix(
      [{ name: 'made', facts: { account: 'x', groups: ['guests'], profile: { name: 'chiefs', grade: 3 } } }],
      true,
    )
    expect(rows.map(([, cell]) => cell)).toEqual(['allow', 'allow', 'allow', 'allow (public)'])
    expect(notes).toEqual([expect.stringContaining('level, unit are missing')])
    expect(await readFile(page, 'utf8')).toContain('level, unit are missing')
  })
})
