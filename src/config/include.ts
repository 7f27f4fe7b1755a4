// `- file: play.json` in the list of providers: the file's content, as if it stood there.
import type { DocumentReader } from './document.ts'
import { Reading } from './reading.ts'
import { isTree, listIn, type Tree } from './tree.ts'

/** Replaces each entry by its file's content; keys beside `file` win over the file's. */
export async function includeProviders(tree: Tree, reader: DocumentReader, reading: Reading): Promise<void> {
  const providers = listIn(tree, 'providers')
  for (const [index, provider] of providers.entries()) {
    if (!isTree(provider) || !Object.hasOwn(provider, 'file')) continue
    const { file, ...beside } = provider
    const included = await includedAt(index, file, reader, reading)
    if (included) providers[index] = { ...included, ...beside }
    else reading.problems.settle(['providers', index])
  }
}

async function includedAt(index: number, file: unknown, reader: DocumentReader, reading: Reading): Promise<Tree | undefined> {
  const { problems } = reading
  const path = ['providers', index, 'file']
  if (typeof file !== 'string' || file === '' || file.includes('${')) {
    problems.error(path, 'is no file name', 'write for example play.json')
    return undefined
  }
  const name = Reading.nameFrom(problems.positions.fileOf(path), file)
  const read = await reading.text(name)
  if ('trouble' in read) {
    problems.error(path, `the file ${name} ${read.trouble}`, 'name a file with one provider, seen from this file')
    return undefined
  }
  const kept = problems.positions.below(['providers', index])
  const value = reader.read({ file: name, text: read.text }, ['providers', index])
  // what stands beside `file` keeps its own place
  problems.positions.restore(kept)
  return isTree(value) ? value : undefined
}
