// Plain data and paths into it, before anything is known about its shape.
import type { Path } from './positions.ts'

export type Tree = Record<string, unknown>
export const isTree = (value: unknown): value is Tree => typeof value === 'object' && value !== null && !Array.isArray(value)

export const treeIn = (parent: unknown, key: string): Tree | undefined => {
  const value = isTree(parent) ? parent[key] : undefined
  return isTree(value) ? value : undefined
}
export const listIn = (parent: unknown, key: string): unknown[] => {
  const value = isTree(parent) ? parent[key] : undefined
  return Array.isArray(value) ? value : []
}

export function valueAt(root: unknown, path: Path): unknown {
  return path.reduce<unknown>(
    (value, part) => (typeof value === 'object' && value !== null ? (value as Tree)[part] : undefined),
    root,
  )
}

/** Puts a value where `path` points; does nothing where there is nothing to put it into. */
export function putAt(root: unknown, path: Path, value: unknown): void {
  const parent = valueAt(root, path.slice(0, -1))
  const last = path.at(-1)
  if (typeof parent === 'object' && parent !== null && last !== undefined) (parent as Tree)[last] = value
}
export function deleteAt(root: unknown, path: Path): void {
  const parent = valueAt(root, path.slice(0, -1))
  const last = path.at(-1)
  if (isTree(parent) && last !== undefined) delete parent[last]
}

/** `enabled: false`, however a template writes it. */
export const isOff = (value: unknown): boolean => value === false || value === 'false'

export interface Found {
  readonly path: Path
  readonly value: unknown
}
/** Everything at a dotted pattern in which `*` stands for every item of a list or key of a map. */
export function matching(root: unknown, pattern: string): readonly Found[] {
  return pattern
    .split('.')
    .reduce<readonly Found[]>((found, part) => found.flatMap((one) => step(one, part)), [{ path: [], value: root }])
}
function step({ path, value }: Found, part: string): readonly Found[] {
  if (typeof value !== 'object' || value === null) return []
  if (part !== '*') return isTree(value) && Object.hasOwn(value, part) ? [{ path: [...path, part], value: value[part] }] : []
  const keys = Array.isArray(value) ? value.keys() : Object.keys(value)
  return [...keys].map((key) => ({ path: [...path, key], value: (value as Tree)[key] }))
}

/** Every text in the tree, with its path. */
export function* texts(value: unknown, path: Path = []): Generator<{ readonly path: Path; readonly value: string }> {
  if (typeof value === 'string') yield { path, value }
  else if (Array.isArray(value)) for (const [index, item] of value.entries()) yield* texts(item, [...path, index])
  else if (isTree(value)) for (const [key, item] of Object.entries(value)) yield* texts(item, [...path, key])
}
