// The syntax tree jsonata builds, as far as we look at it. Its own type description lacks half of the members.

export interface Stage {
  readonly type: string
  readonly expr?: Node
}
export type Pair = readonly [Node, Node]
/** One node. Which members are there depends on `type`; `position` is the end of the token it came from. */
export interface Node {
  type: string
  value?: unknown
  position?: number
  steps?: Node[]
  stages?: Stage[]
  predicate?: Stage[]
  group?: { lhs: Pair[] }
  lhs?: Node | Pair[]
  rhs?: Node
  expression?: Node
  expressions?: Node[]
  procedure?: Node
  /** Of a lambda that declares its arguments. */
  signature?: unknown
  arguments?: Node[]
  body?: Node
  condition?: Node
  then?: Node
  else?: Node
  focus?: string
}

const isNode = (value: object): value is Node => 'type' in value && typeof value.type === 'string'

function nodesIn(value: unknown): Node[] {
  if (typeof value !== 'object' || value === null || value instanceof RegExp) return []
  if (Array.isArray(value)) return value.flatMap(nodesIn)
  return isNode(value) ? [value] : Object.values(value).flatMap(nodesIn)
}

/** Every node directly below this one, whatever member holds it. */
export function children(node: Node): Node[] {
  return Object.values(node).flatMap(nodesIn)
}

/** This node and all below it. Iterative: a tree of any depth can be walked. */
export function* walk(root: Node): Generator<Node> {
  const waiting = [root]
  for (let node = waiting.pop(); node; node = waiting.pop()) {
    yield node
    waiting.push(...children(node).reverse())
  }
}

/** Levels of nesting, counted no further than `most`. */
export function depthOf(root: Node, most: number): number {
  let level: Node[] = [root]
  for (let depth = 0; depth < most; depth++) {
    if (level.length === 0) return depth
    level = level.flatMap(children)
  }
  return most
}

/** The nearest position known; paths and blocks have none of their own. */
export function positionOf(node: Node): number {
  for (const inner of walk(node)) if (inner.position !== undefined) return inner.position
  return 0
}

/** Of the leftmost token in it. */
export function leftmostPosition(node: Node): number {
  return Math.min(...[...walk(node)].flatMap((inner) => inner.position ?? []))
}

/** The names of a path that is nothing but names, `['auth', 'profile', 'access_type']`. */
export function plainPath(node: Node | undefined): readonly string[] | undefined {
  if (node?.type !== 'path' || node.group || node.predicate || !node.steps) return undefined
  const names = node.steps.filter(isPlainName).map((step) => String(step.value))
  return names.length === node.steps.length ? names : undefined
}

export const isPlainName = (step: Node): boolean => step.type === 'name' && !step.stages && !step.predicate && !step.focus

/** The name of the function called, where it is called by name: `exists` for `$exists(…)`. */
export function calledName(node: Node | undefined): string | undefined {
  if (node?.type !== 'function' && node?.type !== 'partial') return undefined
  return node.procedure?.type === 'variable' ? String(node.procedure.value) : undefined
}

/** The one expression inside parentheses, or the node itself. */
export function unwrapped(node: Node): Node {
  let inner = node
  while (inner.type === 'block' && !inner.predicate && !inner.group && inner.expressions?.length === 1 && inner.expressions[0]) {
    inner = inner.expressions[0]
  }
  return inner
}

export const isBinary = (node: Node, ...operators: readonly string[]): node is Node & { lhs: Node; rhs: Node } =>
  node.type === 'binary' && operators.includes(String(node.value))

/** `$now`, `$millis`, or `$toMillis` with a picture, which fills up what the text lacks. */
export function usesClock(root: Node): boolean {
  const nodes = [...walk(root)]
  const withoutPicture = new Set(
    nodes.filter((node) => calledName(node) === 'toMillis' && node.arguments?.length === 1).map(({ procedure }) => procedure),
  )
  return nodes.some((node) => node.type === 'variable' && clocks.has(String(node.value)) && !withoutPicture.has(node))
}
const clocks = new Set(['now', 'millis', 'toMillis'])
