// Changes a parsed tree so that operands of `and` and `or` must be boolean and text cannot grow without end. jsonata itself
// casts: with the text "false" its `email_verified and …` is true.
import { calledName, isBinary, type Node, positionOf, usesClock, walk } from './ast.ts'
import { boundedFunction, operandFunction, setTimeFunction } from './functions.ts'

/** Functions that give true, false or nothing. */
const booleanFunctions = new Set(['not', 'exists', 'boolean', 'contains', 'inCidr'])

/** In place: jsonata evaluates the very tree it hands out. */
export function makeStrict(root: Node): void {
  for (const node of [...walk(root)]) {
    if (isBinary(node, 'and', 'or'))
      for (const operand of [node.lhs, node.rhs]) if (!givesBoolean(operand)) wrap(operand, operandFunction)
    if (isBinary(node, '&')) wrap(node, boundedFunction)
  }
  if (usesClock(root)) setTimeFirst(root)
}

/** Surely true, false or missing, whatever the facts are. */
export function givesBoolean(node: Node): boolean {
  if (node.predicate || node.group) return false
  if (node.type === 'value') return typeof node.value === 'boolean'
  if (node.type === 'block') {
    const last = node.expressions?.at(-1)
    return last !== undefined && givesBoolean(last)
  }
  if (isBinary(node, 'and', 'or', '=', '!=', '<', '<=', '>', '>=', 'in')) return true
  return node.type === 'function' && booleanFunctions.has(calledName(node) ?? '')
}

const call = (name: string, position: number, operands: Node[]): Node => ({
  type: 'function',
  value: '(',
  position,
  procedure: { type: 'variable', value: name, position },
  arguments: operands,
})

/** Turns the node into a call with the node as its argument. The object stays the same, whoever refers to it. */
function wrap(node: Node, name: string): void {
  replace(node, (inner) => call(name, positionOf(inner), [inner]))
}

function setTimeFirst(root: Node): void {
  replace(root, (inner) => ({ type: 'block', position: 0, expressions: [call(setTimeFunction, 0, []), inner] }))
}

function replace(node: Node, by: (inner: Node) => Node): void {
  const inner = { ...node }
  for (const name of Object.keys(node)) delete node[name as keyof Node]
  Object.assign(node, by(inner))
}
