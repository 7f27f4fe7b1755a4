// Renders the kustomizations of deploy/kubernetes without kubectl: resources, generated ConfigMaps and strategic merge
// patches, as far as these files use them. Where kubectl is there, a test compares the two.
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { parse } from 'yaml'

/** A manifest as it was written. */
// biome-ignore lint/suspicious/noExplicitAny: what a manifest holds is for the tests to find out
export type Tree = { [key: string]: any }
interface Kustomization {
  readonly resources?: readonly string[]
  readonly patches?: readonly { readonly path: string }[]
  readonly configMapGenerator?: readonly { readonly name: string; readonly files: readonly string[] }[]
}

// What identifies an entry of a list to Kubernetes; any other list is replaced whole.
const mergeKeys: Readonly<Record<string, string>> = {
  containers: 'name',
  volumes: 'name',
  volumeMounts: 'mountPath',
  ports: 'port',
}

const isTree = (value: unknown): value is Tree => typeof value === 'object' && value !== null && !Array.isArray(value)

function mergeLists(base: readonly Tree[], patch: readonly Tree[], key: string): Tree[] {
  const named = new Map(patch.map((entry) => [entry[key], entry]))
  const kept = base.flatMap((entry) => {
    const change = named.get(entry[key])
    named.delete(entry[key])
    if (change?.['$patch'] === 'delete') return []
    return [change ? merge(entry, change) : entry]
  })
  return [...kept, ...named.values()]
}

function merge(base: Tree, patch: Tree): Tree {
  const result: Tree = { ...base }
  for (const [key, value] of Object.entries(patch)) {
    const old = base[key]
    const mergeKey = mergeKeys[key]
    if (Array.isArray(value) && Array.isArray(old) && mergeKey) result[key] = mergeLists(old, value, mergeKey)
    else result[key] = isTree(value) && isTree(old) ? merge(old, value) : value
  }
  return result
}

const sameObject = (one: Tree, other: Tree): boolean =>
  one['kind'] === other['kind'] && one['metadata'].name === other['metadata'].name
const read = (...path: string[]): string => readFileSync(join(...path), 'utf8')

function configMaps(folder: string, generators: Kustomization['configMapGenerator'] = []): Tree[] {
  return generators.map(({ name, files }) => ({
    apiVersion: 'v1',
    kind: 'ConfigMap',
    metadata: { name },
    data: Object.fromEntries(files.map((file) => [file, read(folder, file)])),
  }))
}

function resourcesOf(folder: string, entry: string): Tree[] {
  return entry.endsWith('.yaml') ? [parse(read(folder, entry)) as Tree] : render(join(folder, entry))
}

/** Every object that `kubectl apply -k FOLDER` would create. Throws where a patch changes nothing. */
export function render(folder: string): Tree[] {
  const { resources = [], patches = [], configMapGenerator } = parse(read(folder, 'kustomization.yaml')) as Kustomization
  let objects = resources.flatMap((entry) => resourcesOf(folder, entry))
  for (const { path } of patches) {
    const patch = parse(read(folder, path)) as Tree
    if (!objects.some((object) => sameObject(object, patch))) throw new Error(`${path} patches nothing`)
    objects = objects.map((object) => (sameObject(object, patch) ? merge(object, patch) : object))
  }
  const generated = configMaps(folder, configMapGenerator)
  return [...objects.filter((object) => !generated.some((other) => sameObject(object, other))), ...generated]
}
