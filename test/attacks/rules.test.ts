// Rules as a weapon, and what is said about them: one that never ends while others want in, pages elsewhere that make the admin
// listener work, a refusal that becomes a case in somebody's repository.
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { rulesCommand } from '../../src/commands/rules-command.ts'
import { type MirrorPortal, startMirrorPortal } from '../support/mirror-portal.ts'
import { type RunningPostern, startPostern, testKey } from '../support/postern.ts'
import { get, wire } from '../support/wire.ts'

let portal: MirrorPortal
let postern: RunningPostern

beforeAll(async () => {
  portal = await startMirrorPortal()
  postern = await startPostern({
    files: {
      'staff.jsonata': '"staff" in groups and $contains(account, "@")',
      'staff.cases.yaml': '- { name: staff, facts: { groups: [staff], account: a@company.com }, expect: allow }\n',
    },
    configuration: `
server:
  publicUrl: http://home.localhost
rulesDir: .
session: { keys: [${testKey}] }
providers:
  - { name: webseal, protocol: WEBSEAL, trustedSourceIps: [127.0.0.1] }
portals:
  - name: home
    host: home.localhost
    upstream: "${portal.url}"
    providers: [webseal]
    routes:
      - { path: /endless/**, rules: [{ name: endless, when: '($f := function($x) { $f($x) }; $f(account))' }] }
      - { path: /doubling/**, rules: [{ name: doubling, when: '($f := function($x, $n) { $n = 0 ? $x : $f({"a": $x, "b": $x}, $n - 1) }; $f(account, 40) = $f(account, 40))' }] }
      - { path: /staff/**, rules: [staff] }
`,
  })
})
afterAll(async () => {
  await postern.stop()
  await portal.close()
})

describe('a rule that never ends', () => {
  it('refuses whoever asks for it, and others are answered before the row of them is through', async () => {
    const order: string[] = []
    const ask = async (path: string, name: string) => {
      const { status } = await wire(postern.port, get(path, ['iv-user: anna']))
      order.push(`${name} ${status}`)
    }
    const row = Array.from({ length: 10 }, () => ask('/endless/x', 'endless'))
    const others = Array.from({ length: 3 }, () => ask('/x', 'other'))
    await Promise.all([...row, ...others])
    expect(order.filter((one) => one === 'endless 403')).toHaveLength(10)
    expect(order.lastIndexOf('other 200')).toBeLessThan(order.length - 4)
    expect(order.filter((one) => one === 'other 200')).toHaveLength(3)
  })

  it('neither by a value that doubles with every step', async () => {
    expect((await wire(postern.port, get('/doubling/x', ['iv-user: anna']))).status).toBe(403)
    expect((await wire(postern.port, get('/x', ['iv-user: anna']))).status).toBe(200)
  })
})

describe('the admin listener', () => {
  const port = () => Number(new URL(postern.adminUrl).port)
  const ask = async (lines: readonly string[], host = `127.0.0.1:${port()}`, target = '/explain') =>
    (await wire(port(), get(target, lines, host))).status
  it('does not answer under a name of somebody else’s', async () => {
    expect(await ask([], 'evil.example')).toBe(403)
    expect(await ask([], '127.0.0.1.evil.example')).toBe(403)
    expect(await ask([])).toBe(200)
  })
  it('does no work for a page elsewhere, but a link may be followed', async () => {
    const from = (mode: string, destination: string) => [
      'Sec-Fetch-Site: cross-site',
      `Sec-Fetch-Mode: ${mode}`,
      `Sec-Fetch-Dest: ${destination}`,
    ]
    expect(await ask(from('no-cors', 'image'))).toBe(403)
    expect(await ask(from('navigate', 'iframe'))).toBe(403)
    expect(await ask(from('navigate', 'document'))).toBe(200)
  })
  it('calls a question wrong that nobody could have meant', async () => {
    const claims = encodeURIComponent('a: &a [1, 1]\nb: [*a, *a]')
    for (const query of [`claims=${claims}`, `claims=${'%5B'.repeat(4000)}`, 'path=%ff', 'at=never'])
      expect(await ask([], undefined, `/explain?portal=home&${query}`)).toBe(400)
    expect(await ask([], undefined, '/explain?portal=__proto__')).toBe(400)
  })
})

describe('a refusal that becomes a case', () => {
  it('comes from the running Postern by its request id, and nobody is in it', async () => {
    await wire(postern.port, get('/staff/ann.smith/x?token=SECRET', ['iv-user: ann.smith@company.com', 'iv-groups: "guests"']))
    const id = String(postern.logs.filter(({ log }) => log === 'access').at(-1)?.['id'])
    const config = join(postern.folder, 'as-it-listens.yaml')
    const text = await readFile(join(postern.folder, 'postern.yaml'), 'utf8')
    await writeFile(config, text.replace(/admin: .*/, `admin: ${new URL(postern.adminUrl).host}`))
    const said: string[] = []
    const say = (line: string) => void said.push(line)
    const code = await rulesCommand(['record', postern.folder, '--request', id, '--config', config], {
      env: {},
      clock: () => postern.time.now,
      config,
      input: async () => '',
      out: say,
      err: say,
    })
    expect({ code, said }).toMatchObject({ code: 0 })
    const cases = await readFile(join(postern.folder, 'staff.cases.yaml'), 'utf8')
    expect(cases).toContain('account: person1@company.com, groups: [ guests ] }, expect: deny }')
    expect(cases).not.toMatch(/ann|smith|SECRET/)
  })
})
