// docs/compatibility.md must be true: every test that it names is there, every promise test is named, every key exists.
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, it } from 'vitest'
import { isMap, isScalar, isSeq, parseAllDocuments, visit } from 'yaml'

const root = fileURLToPath(new URL('../../../', import.meta.url))
const read = (path: string): string => readFileSync(join(root, path), 'utf8')
const document = read('docs/compatibility.md')
const here = 'test/scenarios/promises'

/** Titles of the tests of a file, as they are written. */
function titlesIn(path: string): readonly string[] {
  const titles = [...read(path).matchAll(/\bit(?:\.each\([^\n]*\))?\(\s*('(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*"|`[^`]*`)/g)]
  return titles.map(([, literal = '']) => literal.slice(1, -1).replace(/\\(.)/g, '$1'))
}

/** Rows of the tables that promise something: `| promise | configuration | [file](../test/…): title |`. */
const rows = document
  .split('\n')
  .filter((line) => /^\| .* \|$/.test(line) && !/^\| (Promise|---)/.test(line))
  .map((line) => line.slice(2, -2).split(' | '))
const proofs = rows.map((row) => /^\[[^\]]+\]\(\.\.\/(test\/[^)]+)\): (.+)$/.exec(row.at(-1) ?? ''))
const systems = [...document.matchAll(/^## (.+)$/gm)].map(([, heading]) => heading)

describe('docs/compatibility.md', () => {
  it('has a part for each of the five systems', () => {
    for (const system of ['S-360 (SecuTix)', 'SafeNet Trusted Access', 'XTRF', 'Xurrent', 'APIO core'])
      expect(systems).toContain(system)
  })

  it('gives every promise a configuration and a test', () => {
    expect(rows.length).toBeGreaterThan(40)
    expect(rows.filter((row, index) => row.length !== 3 || !row[1]?.includes('`') || !proofs[index])).toEqual([])
  })

  it('names only tests that exist', () => {
    const missing = proofs.filter((proof) => {
      const [, path = '', title = ''] = proof ?? []
      return !existsSync(join(root, path)) || !titlesIn(path).includes(title)
    })
    expect(missing.map((proof) => proof?.[0])).toEqual([])
  })

  it('names every promise that is tested', () => {
    const promised = readdirSync(join(root, here))
      .filter((name) => name.endsWith('.test.ts') && name !== basename(import.meta.filename))
      .flatMap((name) => titlesIn(join(here, name)).map((title) => `${here}/${name}: ${title}`))
    const named = new Set(proofs.map((proof) => `${proof?.[1]}: ${proof?.[2]}`))
    expect(promised.filter((promise) => !named.has(promise))).toEqual([])
  })

  it('writes configurations of keys that there are', () => {
    const schema = read('config/postern.schema.json')
    const fragments = rows.flatMap((row) =>
      [...(row[1] ?? '').matchAll(/`([^`]+:[^`]+)`/g)].map(([, fragment]) => fragment as string),
    )
    expect(fragments.length).toBeGreaterThan(40)
    const wrong = fragments.filter((fragment) => {
      const [yaml] = parseAllDocuments(fragment)
      if (!yaml || yaml.errors.length > 0 || !(isMap(yaml.contents) || isSeq(yaml.contents))) return true
      let unknown = false
      visit(yaml as Exclude<typeof yaml, undefined>, {
        Pair: (_, { key }, path) => {
          // below `headers` and `authorizationParameters` the names are the operator's
          const free = path.some(
            (node) => 'key' in node && isScalar(node.key) && /^(headers|authorizationParameters)$/.test(String(node.key.value)),
          )
          if (!free && isScalar(key) && !schema.includes(`"${key.value}"`)) unknown = true
        },
      })
      return unknown
    })
    expect(wrong).toEqual([])
  })
})
