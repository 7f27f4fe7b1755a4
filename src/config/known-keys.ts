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

/** The configuration as people write it. */
export const inputSchema = (): JsonSchema => z.toJSONSchema(configSchema, { io: 'input' }) as JsonSchema

/** Follows references; of several shapes of one object the one whose `protocol` fits, else the first that is an object. */
export function shapeOf(schema: JsonSchema | undefined, root: JsonSchema, value?: unknown): JsonSchema | undefined {
  if (schema?.$ref) return shapeOf(root.$defs?.[schema.$ref.replace('#/$defs/', '')], root, value)
  const shapes = schema?.oneOf ?? schema?.anyOf
  if (!shapes) return schema
  const objects = shapes.map((shape) => shapeOf(shape, root)).filter((shape) => shape?.properties)
  return objects.find((shape) => isTree(value) && shape?.properties?.protocol?.const === value.protocol) ?? objects[0] ?? schema
}

/** The keys of the object at `path`; empty where none are fixed. */
export function knownKeys(path: Path, tree: unknown): readonly string[] {
  const root = inputSchema()
  let schema = shapeOf(root, root, tree)
  for (const [index, part] of path.entries()) {
    const open = typeof schema?.additionalProperties === 'object' ? schema.additionalProperties : undefined
    const next = typeof part === 'number' ? schema?.items : (schema?.properties?.[part] ?? open)
    schema = shapeOf(next, root, valueAt(tree, path.slice(0, index + 1)))
  }
  return Object.keys(schema?.properties ?? {})
}
