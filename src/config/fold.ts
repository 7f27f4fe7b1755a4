// Brings what people may write in several ways into the one way the schema knows.
import type { Reading } from './reading.ts'
import { isOff, isTree, listIn, type Tree } from './tree.ts'

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

/** A template that is not filled in yet. */
function dropEmpty(provider: Tree): void {
  for (const [key, value] of Object.entries(provider)) if (value === '' || value === null) delete provider[key]
}
