// Brings what people may write in several ways into the one way the schema knows.
import { resolve } from 'node:path'
import { Reading } from './reading.ts'
import { isOff, isTree, listIn, putAt, type Tree, treeIn } from './tree.ts'

/** Keys of other products' templates. */
const aliases: Readonly<Record<string, string>> = { stxAccountAttribute: 'accountAttribute' }

export function foldProviders(tree: Tree, reading: Reading): void {
  for (const [index, provider] of listIn(tree, 'providers').entries()) {
    if (!isTree(provider)) continue
    if (isOff(provider.enabled)) dropEmpty(provider)
    if (typeof provider.protocol === 'string') provider.protocol = provider.protocol.trim().toUpperCase()
    for (const [alias, key] of Object.entries(aliases)) {
      if (!Object.hasOwn(provider, alias)) continue
      const path = ['providers', index, alias]
      if (Object.hasOwn(provider, key))
        reading.problems.error(path, `stands beside ${key}, which means the same`, 'take one of them away')
      else {
        provider[key] = provider[alias]
        reading.problems.positions.alias(path, ['providers', index, key])
        if (reading.isFromReference(path)) reading.markFromReference(['providers', index, key])
      }
      delete provider[alias]
    }
  }
}

/** A file of the state is seen from the file that names it, whatever folder a process is started in. */
export function foldState(tree: Tree, reading: Reading): void {
  const state = treeIn(tree, 'server')?.['state']
  const file = typeof state === 'string' ? /^sqlite:(?!\/\/)(.+)$/.exec(state)?.[1] : undefined
  const path = ['server', 'state']
  if (file !== undefined) putAt(tree, path, `sqlite:${resolve(Reading.nameFrom(reading.problems.positions.fileOf(path), file))}`)
}

/** A template that is not filled in yet. */
function dropEmpty(provider: Tree): void {
  for (const [key, value] of Object.entries(provider)) if (value === '' || value === null) delete provider[key]
}
