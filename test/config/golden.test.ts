// One file for each kind of mistake, beside it what `check` says: the sentences are part of the contract.
import { readdirSync, readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { describe, expect, it } from 'vitest'
import { check } from '../../src/commands/check.ts'
import { absentKeys } from '../../src/config/absent.ts'
import { absentProtocols } from '../../src/config/schema/providers.ts'

const folder = 'test/config/golden'
const env = { KEY: Buffer.alloc(32, 7).toString('base64url'), SECRET: 'canary-from-the-environment' }
const examples = readdirSync(folder)
  .filter((file) => file.endsWith('.yaml'))
  .map((file) => file.slice(0, -'.yaml'.length))
const expected = (name: string): string => readFileSync(`${folder}/${name}.txt`, 'utf8')
const all = (): string => examples.map(expected).join('')

async function said(name: string): Promise<string> {
  const lines: string[] = []
  const print = (line: string) => lines.push(line.replaceAll(resolve(folder), '/there').replaceAll(`${folder}/`, ''))
  const code = await check({ config: `${folder}/${name}.yaml`, online: false, withoutSecrets: false, env }, print, print)
  return [...lines, `exit ${code}`, ''].join('\n')
}

describe('check says of', () => {
  it.each(examples)('%s.yaml what stands beside it', async (name) => {
    await expect(await said(name)).toMatchFileSnapshot(`golden/${name}.txt`)
  })
})

describe('the golden files', () => {
  it('never show a secret, wherever it was written', () => {
    expect(all()).not.toContain(env.SECRET)
    expect(all()).not.toContain(env.KEY)
    expect(all()).not.toMatch(/a-secret|PRIVATE KEY/)
  })

  it('show every key and protocol that this version lacks', () => {
    const output = expected('absent')
    for (const { key } of absentKeys)
      expect(output).toMatch(new RegExp(key.replaceAll('.', '\\.').replaceAll('.*', '[[]\\d[\\]]').replaceAll('\\[[]', '[[]')))
    for (const protocol of absentProtocols) expect(output).toContain(`the protocol ${protocol}`)
  })

  it('show every sentence that a check between keys or the schema can say', () => {
    const output = all()
    expect(sentences().length).toBeGreaterThan(120)
    for (const sentence of sentences()) expect(output).toContain(sentence)
  })
})

/** The fixed parts of the texts in the sources that complain. */
function sentences(): readonly string[] {
  const files = ['checks', 'schema'].flatMap((part) =>
    readdirSync(`src/config/${part}`).map((file) => `src/config/${part}/${file}`),
  )
  return files.flatMap((file) => complaints(readFileSync(file, 'utf8'), file.includes('/checks/')))
}

function complaints(source: string, everyText: boolean): readonly string[] {
  const code = source.replace(/^\s*(\/\/|\/?\*).*$|^import .*$/gm, '')
  const texts = [...code.matchAll(/'((?:[^'\\\n]|\\.)*)'|"((?:[^"\\\n]|\\.)*)"|`((?:[^`\\]|\\.)*)`/g)].map(
    (match) => match[1] ?? match[2] ?? match[3] ?? '',
  )
  const wanted = texts.filter((text) => (everyText ? text.split(' ').length > 3 : text.includes(' → ')))
  return wanted
    .flatMap((text) => text.split(/\$\{[^}]*\}| → /))
    .map((text) => text.replaceAll('\\\\', '\\'))
    .filter((text) => text.length > 8)
}
