// What the documents say must be true: configurations pass the check, links lead somewhere, commands exist.
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { check } from '../../src/commands/check.ts'

const root = fileURLToPath(new URL('../../', import.meta.url))
const pages = (folder: string): string[] =>
  readdirSync(join(root, folder))
    .filter((name) => name.endsWith('.md'))
    .map((name) => join(folder, name))
const documents = ['README.md', 'CONTRIBUTING.md', 'CHANGELOG.md', ...pages('docs'), ...pages('docs/decisions')]
const textOf = (document: string): string => readFileSync(join(root, document), 'utf8')
const blocks = (document: string, language: string): string[] =>
  [...textOf(document).matchAll(new RegExp(`\`\`\`${language}\n([\\s\\S]*?)\`\`\``, 'g'))].map(([, block]) => block!)

const packageJson = JSON.parse(textOf('package.json'))
const whole = documents.flatMap((document) =>
  blocks(document, 'yaml')
    .filter((block) => /^portals:/m.test(block) && /^session:/m.test(block))
    .map((block, index) => ({ document, block, index })),
)

describe('the documents', () => {
  let scratch: string
  beforeAll(() => {
    scratch = mkdtempSync(join(tmpdir(), 'postern-docs-'))
  })
  afterAll(() => rmSync(scratch, { recursive: true, force: true }))

  it.each(whole)('$document shows a configuration (number $index) that `postern check` accepts', async ({ block }) => {
    const lines: string[] = []
    const say = (line: string) => lines.push(line)
    const config = join(scratch, 'postern.yaml')
    writeFileSync(config, block)
    expect([await check({ config, online: false, withoutSecrets: true }, say, say), lines.join('\n')]).toEqual([
      0,
      expect.not.stringMatching(/warning:|error:/),
    ])
  })

  it('show a configuration in the README and in both deployments', () => {
    const shown = new Set(whole.map(({ document }) => document))
    for (const name of ['README.md', 'docs/in-front-of-an-identity-provider.md', 'docs/behind-webseal.md'])
      expect(shown).toContain(name)
  })

  it.each(documents)('%s links only to what is there', (document) => {
    const links = [...textOf(document).matchAll(/\]\((?!https?:|mailto:)([^)#\s]+)[^)]*\)/g)].map(([, link]) => link!)
    expect(links.filter((link) => !existsSync(join(root, dirname(document), link)))).toEqual([])
  })

  it.each(documents)('%s names only npm scripts that exist', (document) => {
    const scripts = [...textOf(document).matchAll(/npm run (?:-s )?([a-z][a-z:]*)/g)].map(([, script]) => script!)
    expect(scripts.filter((script) => !(script in packageJson.scripts))).toEqual([])
  })

  it('explain every dependency', () => {
    const { dependencies, devDependencies, optionalDependencies } = packageJson
    const explained = textOf('docs/decisions/dependencies.md')
    const names = Object.keys({ ...dependencies, ...devDependencies, ...optionalDependencies })
    expect(names.filter((name) => !explained.includes(`\`${name}\``))).toEqual([])
  })

  it('keep the README to one screen, and its configuration to about twenty lines', () => {
    expect(textOf('README.md').split('\n').length).toBeLessThan(80)
    expect(blocks('README.md', 'yaml')[0]!.trim().split('\n').length).toBeLessThan(25)
  })
})
