// `check` knows the configuration: names in rules that it does not have. And it says nothing of the examples that are shipped.
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import { check } from '../../src/commands/check.ts'
import { testKey } from '../support/postern.ts'

const folder = mkdtempSync(join(tmpdir(), 'postern-names-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

async function checked(config: string): Promise<readonly string[]> {
  const said: string[] = []
  const print = (line: string) => void said.push(line)
  await check({ config, online: false, withoutSecrets: true, env: {} }, print, print)
  return said
}

describe('check', () => {
  it('warns of a provider or portal that the configuration does not have, in rule files and in rules written on the spot', async () => {
    writeFileSync(join(folder, 'one.jsonata'), 'hd = "x" and\n  provider = "PALY"')
    writeFileSync(
      join(folder, 'one.cases.yaml'),
      '- { name: a, facts: { hd: x, provider: PALY }, expect: allow }\n- { name: b, facts: {}, expect: deny }\n',
    )
    const config = join(folder, 'postern.yaml')
    writeFileSync(
      config,
      `server: { publicUrl: "http://home.localhost" }
rulesDir: .
session: { keys: [${testKey}] }
providers:
  - { name: PLAY, protocol: OIDC, issuer: "https://idp.company.com", clientId: a, clientSecret: b }
  - { name: OFF, protocol: OIDC, enabled: false, issuer: "https://off.company.com", clientId: a, clientSecret: b }
portals:
  - name: home
    host: home.localhost
    upstream: "http://127.0.0.1:9"
    providers: [PLAY]
    rules: [one, { name: two, when: 'portal = "hmoe" or portal = "home"' }, { name: three, when: 'provider in ["PLAY", "OFF"]' }]
`,
    )
    const warned = (await checked(config)).filter((line) => line.includes('of this configuration has the name'))
    expect(warned).toEqual([
      expect.stringMatching(/postern\.yaml:12:\d+ .*no portal .*"hmoe" {2}→ did you mean "home"\?/),
      expect.stringMatching(/postern\.yaml:12:\d+ .*no provider .*"OFF" {2}→ write one of PLAY/),
      expect.stringMatching(/one\.jsonata:2:14 .*no provider .*"PALY" {2}→ did you mean "PLAY"\?/),
    ])
  })

  const shipped = new URL('../../config/', import.meta.url).pathname
  const files = readdirSync(shipped, { recursive: true, encoding: 'utf8' }).filter((file) => file.endsWith('.yaml'))
  it.each(files)('finds nothing of the kind in config/%s', async (file) => {
    const said = await checked(join(shipped, file))
    expect(said.at(-1)).toContain(': fine')
    expect(said.filter((line) => /never equals|no request has|of this configuration has/.test(line))).toEqual([])
  })
})
