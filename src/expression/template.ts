// Texts with `{EXPRESSION}` holes, as in URLs and headers of calls. `{{` and `}}` are braces. Finds the holes; what comes into
// them, and how it is written there, is for whoever fills them.
import { ExpressionError } from './errors.ts'

export type TemplatePart =
  | { readonly kind: 'text'; readonly text: string }
  /** `offset`: of the expression's first character in the template. */
  | { readonly kind: 'hole'; readonly source: string; readonly offset: number }

/** @throws ExpressionError where a hole is not closed or holds nothing, its offset in `template` */
export function parseTemplate(template: string): readonly TemplatePart[] {
  const parts: TemplatePart[] = []
  let text = ''
  let at = 0
  while (at < template.length) {
    const character = template[at] ?? ''
    const isDoubled = (character === '{' || character === '}') && template[at + 1] === character
    if (character === '{' && !isDoubled) {
      const end = endOfHole(template, at)
      const source = template.slice(at + 1, end)
      if (source.trim() === '')
        throw new ExpressionError('a hole holds no expression', at, 'write {EXPRESSION}, or {{ for a brace')
      if (text !== '') parts.push({ kind: 'text', text })
      parts.push({ kind: 'hole', source, offset: at + 1 })
      text = ''
      at = end + 1
    } else if (character === '}' && !isDoubled) {
      throw new ExpressionError('a } stands without its {', at, 'write {EXPRESSION}, or }} for a brace')
    } else {
      text += character
      at += isDoubled ? 2 : 1
    }
  }
  if (text !== '') parts.push({ kind: 'text', text })
  return parts
}

/** Where the brace that opens at `start` closes; quoted texts and braces inside it are the expression's own. */
function endOfHole(template: string, start: number): number {
  let depth = 0
  for (let at = start; at < template.length; at++) {
    const character = template[at] ?? ''
    if (character === '"' || character === "'" || character === '`') at = endOfQuoted(template, at)
    else if (character === '{') depth++
    else if (character === '}' && --depth === 0) return at
  }
  throw new ExpressionError('a hole { is not closed', start, 'write {EXPRESSION}, or {{ for a brace')
}

/** Of its closing quote; the end of the template where there is none. */
function endOfQuoted(template: string, start: number): number {
  for (let at = start + 1; at < template.length; at++) {
    if (template[at] === '\\' && template[start] !== '`') at++
    else if (template[at] === template[start]) return at
  }
  return template.length
}

/** Braces that are meant as such. */
export const asTemplateText = (text: string): string => text.replace(/[{}]/g, '$&$&')
