// A place in a value is a place in a file, however YAML spells the value.
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { stringify } from 'yaml'
import { DocumentReader } from '../../src/config/document.ts'
import { dotted } from '../../src/config/positions.ts'
import { Problems } from '../../src/config/problems.ts'
import { minimal, problemsOf } from './configuration.ts'

function read(text: string) {
  const problems = new Problems()
  const value = new DocumentReader(problems).read({ file: 'a.yaml', text }, []) as Record<string, unknown>
  return { value, positions: problems.positions }
}
/** The character of the file at the place of each character of the value. */
function shown(text: string): string {
  const { value, positions } = read(text)
  const lines = text.split('\n')
  const whole = String(value['when'])
  return Array.from({ length: whole.length }, (_, offset) => offset)
    .map((offset) => positions.locateInside(['when'], whole, offset))
    .map(({ line, column }, offset) => (/\s/.test(whole[offset] ?? '') ? whole[offset] : lines[line - 1]?.[column - 1]))
    .join('')
}

describe('the place of a character in a text', () => {
  it.each([
    ['plain', "when: hd = 'a' and b\n", "hd = 'a' and b"],
    ['in single quotes', "when: 'hd = ''a'' and b'\n", "hd = 'a' and b"],
    ['in double quotes', 'when: "hd = \\"a\\" and b"\n', 'hd = "a" and b'],
    ['a literal block', "x: 1\nwhen: |\n    hd = 'a'\n      and b\n\n    and c\n", "hd = 'a'\n  and b\n\nand c\n"],
    ['a literal block with a header', "when: |2-\n    hd = 'a'\n  and b\n", "  hd = 'a'\nand b"],
    ['a folded block', "when: >-\n  hd = 'a'\n  and b\n\n  and c\n", "hd = 'a' and b\nand c"],
    ['plain over several lines', "when: hd = 'a'\n  and b\n\n  and c\n", "hd = 'a' and b\nand c"],
    ['JSON', '{"x": 1,\n "when": "hd = \'a\' and b"}', "hd = 'a' and b"],
  ])('is right %s', (_, text, value) => {
    expect(read(text).value['when']).toBe(value)
    expect(shown(text)).toBe(value)
  })

  it('is right in whatever the YAML library writes', () => {
    const word = fc.constantFrom('hd', '=', "'a'", '"b"', 'and', '\n', '  ', '#', ': ', "''", '\\', 'x')
    const texts = fc.array(word, { minLength: 1, maxLength: 12 }).map((words) => words.join(''))
    fc.assert(
      fc.property(
        texts,
        fc.constantFrom('BLOCK_LITERAL', 'BLOCK_FOLDED', 'QUOTE_DOUBLE', 'QUOTE_SINGLE', 'PLAIN'),
        (when, style) => {
          const text = stringify({ when, x: 1 }, { defaultStringType: style as 'PLAIN', lineWidth: 20 })
          const visible = (value: string) => value.replace(/\s+/g, '')
          expect(visible(shown(text))).toBe(visible(when))
        },
      ),
    )
  })

  it('is told for a rule on the spot and in the file that was included', async () => {
    const inline = minimal.replace('upstream:', 'rules: [{ name: a, when: "hd = (1" }], upstream:')
    expect(await problemsOf(inline)).toMatchObject([{ line: 7, key: 'portals[0].rules[0].when' }])
    const included = minimal.replace(/ {2}- \{ name: PLAY.*/, '  - file: play.json')
    const [problem] = await problemsOf(
      included,
      {},
      { 'play.json': '{\n  "name": "PLAY",\n  "protocol": "OIDC", "issuer": "http://a.b",\n  "clientId": "a"\n}' },
    )
    expect(problem).toMatchObject({ line: 3, column: 33, key: 'providers[0].issuer', file: expect.stringMatching(/play\.json$/) })
  })
})

describe('what stands beside the name of an included file', () => {
  it('has its own place, also where the file says it too', async () => {
    const beside = minimal.replace(/ {2}- \{ name: PLAY.*/, '  - file: play.json\n    clientId: ""')
    const play = '{ "name": "PLAY", "protocol": "OIDC", "issuer": "https://a.b", "clientId": "a" }'
    expect(await problemsOf(beside, {}, { 'play.json': play })).toMatchObject([
      { line: 6, column: 15, key: 'providers[0].clientId', file: expect.stringMatching(/postern\.yaml$/) },
    ])
  })
})

describe('a key in a message', () => {
  it('is written as in a script', () => {
    expect(dotted(['portals', 0, 'headers', 'x-email', 'value'])).toBe('portals[0].headers.x-email.value')
    expect(dotted([])).toBe('')
  })
})

describe('reading a document', () => {
  it('gives up on one that would never fit into memory', () => {
    for (const text of [`a: ${'['.repeat(5000)}`, `a: ${'x'.repeat(1024 * 1024)}`, 'a: &a [*a]']) {
      const problems = new Problems()
      new DocumentReader(problems).read({ file: 'a.yaml', text }, [])
      expect(problems.all).toHaveLength(1)
    }
  })

  it('never touches the prototype of anything', () => {
    const { value } = read('__proto__: { polluted: true }\nconstructor: { prototype: { polluted: true } }\n')
    expect(Object.getPrototypeOf(value)).toBe(Object.prototype)
    expect(({} as Record<string, unknown>)['polluted']).toBeUndefined()
  })
})
