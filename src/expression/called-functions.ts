// Functions an expression calls must exist: jsonata notices only when it runs, and a rule that always fails refuses everybody.
import { calledName, type Node, walk } from './ast.ts'

/** https://docs.jsonata.org: string, numeric, aggregation, boolean, array, object, date, higher-order functions; and ours. */
const known = new Set(
  (
    'string length substring substringBefore substringAfter uppercase lowercase trim pad contains split join match replace ' +
    'base64encode base64decode encodeUrlComponent encodeUrl decodeUrlComponent decodeUrl number abs floor ceil round power sqrt ' +
    'formatNumber formatBase formatInteger parseInteger sum max min average boolean not exists count append sort reverse distinct ' +
    'zip keys lookup spread merge sift each error assert type now millis fromMillis toMillis map filter single reduce clone ' +
    'inCidr emailDomain'
  ).split(' '),
)

/** The first call of a function that is neither jsonata's, ours, nor the expression's own. */
export function unknownCall(root: Node): { readonly name: string; readonly node: Node } | undefined {
  const nodes = [...walk(root)]
  const own = new Set(nodes.flatMap(namesMadeBy))
  for (const node of nodes) {
    const name = calledName(node)
    if (name !== undefined && name !== '' && name !== '$' && !known.has(name) && !own.has(name)) return { name, node }
  }
  return undefined
}

/** What it assigns, takes as an argument, or binds with `@$` and `#$`. */
function namesMadeBy(node: Node): readonly string[] {
  const variable = (inner: Node | undefined) => (inner?.type === 'variable' ? [String(inner.value)] : [])
  if (node.type === 'bind' && node.lhs && !Array.isArray(node.lhs)) return variable(node.lhs)
  if (node.type === 'lambda') return (node.arguments ?? []).flatMap(variable)
  return node.focus === undefined ? [] : [String(node.focus)]
}
