import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { ExpressionError } from '../../src/expression/errors.ts'
import { asTemplateText, parseTemplate } from '../../src/expression/template.ts'

const hole = (source: string, offset: number) => ({ kind: 'hole', source, offset })
const text = (words: string) => ({ kind: 'text', text: words })

describe('a text with holes', () => {
  it.each([
    ['plain', [text('plain')]],
    ['', []],
    ['a/{b}/c', [text('a/'), hole('b', 3), text('/c')]],
    ['{a}{b}', [hole('a', 1), hole('b', 4)]],
    ['{{a}}', [text('{a}')]],
    ['{{{a}}}', [text('{'), hole('a', 3), text('}')]],
    ['{ {"a": {"b": 1}}.a }', [hole(' {"a": {"b": 1}}.a ', 1)]],
    [`{a & "}" & '{' & \`}\` & "\\"}"}.`, [hole(`a & "}" & '{' & \`}\` & "\\"}"`, 1), text('.')]],
  ])('%s is read as it is meant', (template, parts) => {
    expect(parseTemplate(template)).toEqual(parts)
  })

  it.each([
    ['a{b', 1],
    ['a{"}', 1],
    ['a}b', 1],
    ['ab{ }', 2],
    ['{}', 0],
  ])('%s is refused at its place', (template, offset) => {
    expect(() => parseTemplate(template)).toThrow(ExpressionError)
    try {
      parseTemplate(template)
    } catch (error) {
      expect((error as ExpressionError).offset).toBe(offset)
    }
  })

  it('never reads a hole out of a text that was put into it', () => {
    fc.assert(
      fc.property(fc.string(), (words) => {
        expect(parseTemplate(asTemplateText(words))).toEqual(words === '' ? [] : [text(words)])
        expect(parseTemplate(`${asTemplateText(words)}/{b}`).at(-1)).toMatchObject({ kind: 'hole', source: 'b' })
      }),
    )
  })
})
