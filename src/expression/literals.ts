// The texts an expression holds itself.
import { walk } from './ast.ts'
import { parseExpression } from './parse.ts'

/** Throws ExpressionError. */
export function literalsOf(source: string): ReadonlySet<string> {
  return new Set([...walk(parseExpression(source).root)].flatMap(({ type, value }) => (type === 'string' ? [String(value)] : [])))
}
