// Whoever reads standard output may stop reading: nothing is said of it, least of all a stack trace.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import { testKey } from '../support/postern.ts'

const folder = mkdtempSync(join(tmpdir(), 'postern-closed-'))
const write = (name: string, text: string): string => {
  writeFileSync(join(folder, name), text)
  return join(folder, name)
}
const config = write(
  'postern.yaml',
  `server: { publicUrl: "http://home.localhost" }
rulesDir: ${folder}
session: { keys: [${testKey}] }
providers: [{ name: PLAY, protocol: OIDC, issuer: "https://idp.company.com", clientId: a, clientSecret: b }]
portals: [{ name: home, host: home.localhost, upstream: "http://127.0.0.1:9", providers: [PLAY], rules: [staff] }]
`,
)
write('staff.jsonata', '"staff" in groups')
write('staff.cases.yaml', '- { name: in, facts: { groups: [staff] }, expect: allow }\n- { name: out, facts: {}, expect: deny }\n')
write('people.yaml', 'people: [{ name: nobody }]')
afterAll(() => rmSync(folder, { recursive: true, force: true }))

const main = join(import.meta.dirname, '../../src/main.ts')

/** A real pipe whose reader has gone before the first word: `true` reads nothing. */
async function unread(args: readonly string[]): Promise<string> {
  const child = spawn('sh', ['-c', '("$@"; echo "code $?" >&2) | true', 'sh', process.execPath, main, ...args], {
    stdio: ['ignore', 'ignore', 'pipe'],
  })
  let err = ''
  child.stderr.on('data', (chunk) => (err += chunk))
  await once(child, 'close')
  return err
}

describe('a closed standard output', () => {
  it.each([
    ['help', ['help']],
    ['explain', ['explain', '--portal', 'home', '--path', '/', '--config', config]],
    ['explain --json', ['explain', '--portal', 'home', '--path', '/', '--json', '--config', config]],
    ['check', ['check', '--config', config]],
    ['uris', ['uris', '--config', config]],
    ['rules test --matrix', ['rules', 'test', '--matrix', '--config', config]],
    ['keygen', ['keygen']],
  ])('ends %s quietly', async (_, args) => {
    expect(await unread(args)).toBe('code 0\n')
  })

  it('makes no success of what failed', async () => {
    expect(await unread(['check', '--config', join(folder, 'none.yaml')])).toBe('code 1\n')
  })
})
