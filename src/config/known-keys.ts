// Which keys may stand at a place, read from the schema: for "did you mean" and the reference.
import { z } from 'zod'
import type { Path } from './positions.ts'
import { configSchema } from './schema.ts'
import { isTree, valueAt } from './tree.ts'

export interface JsonSchema {
  readonly $ref?: string
  readonly $defs?: Readonly<Record<string, JsonSchema>>
  readonly type?: string
  readonly properties?: Readonly<Record<string, JsonSchema>>
  readonly required?: readonly string[]
  readonly items?: JsonSchema
  readonly additionalProperties?: JsonSchema | boolean
  readonly anyOf?: readonly JsonSchema[]
  readonly oneOf?: readonly JsonSchema[]
  readonly allOf?: readonly JsonSchema[]
  readonly enum?: readonly unknown[]
  readonly const?: unknown
  readonly default?: unknown
  readonly description?: string
  readonly pattern?: string
}

let made: JsonSchema | undefined
/** The configuration as people write it. Made once: it takes a few milliseconds, and most loads never ask. */
export function inputSchema(): JsonSchema {
  made ??= z.toJSONSchema(configSchema, { io: 'input' }) as JsonSchema
  return made
}

/** Follows references; of several shapes of one object the one whose `protocol` fits, else the first that is an object. */
export function shapeOf(schema: JsonSchema | undefined, root: JsonSchema, value?: unknown): JsonSchema | undefined {
  if (schema?.$ref) return shapeOf(root.$defs?.[schema.$ref.replace('#/$defs/', '')], root, value)
  const shapes = schema?.oneOf ?? schema?.anyOf
  if (!shapes) return schema
  const objects = shapes.map((shape) => shapeOf(shape, root)).filter((shape) => shape?.properties)
  return objects.find((shape) => isTree(value) && shape?.properties?.protocol?.const === value.protocol) ?? objects[0] ?? schema
}

/** The schema of the value at `path`. */
function schemaAt(
  path: Path,
  tree: unknown,
): { readonly described: JsonSchema | undefined; readonly shape: JsonSchema | undefined } {
  const root = inputSchema()
  let described: JsonSchema | undefined = root
  let shape = shapeOf(root, root, tree)
  for (const [index, part] of path.entries()) {
    const open = typeof shape?.additionalProperties === 'object' ? shape.additionalProperties : undefined
    described = typeof part === 'number' ? shape?.items : (shape?.properties?.[part] ?? open)
    shape = shapeOf(described, root, valueAt(tree, path.slice(0, index + 1)))
  }
  return { described, shape }
}

/** The keys of the object at `path`; empty where none are fixed. */
export const knownKeys = (path: Path, tree: unknown): readonly string[] =>
  Object.keys(schemaAt(path, tree).shape?.properties ?? {})

/** What the value at `path` is for. */
export const meaningOf = (path: Path, tree: unknown): string | undefined => schemaAt(path, tree).described?.description
