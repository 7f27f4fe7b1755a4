// Writes what follows from the schema, or (--check) says whether it still agrees: config/postern.schema.json, docs/reference.md.
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { dirname } from 'node:path'
import { fileURLToPath } from 'node:url'
import { editorSchema } from '../src/config/editor-schema.ts'
import { reference } from './reference.ts'

const generated: Readonly<Record<string, () => string>> = {
  'config/postern.schema.json': () => `${JSON.stringify(editorSchema(), null, 2)}\n`,
  'docs/reference.md': reference,
}

/** Names of the files that do not hold what the schema says. */
export async function outdated(root: URL): Promise<readonly string[]> {
  const stale: string[] = []
  for (const [name, make] of Object.entries(generated)) {
    const there = await readFile(new URL(name, root), 'utf8').catch(() => '')
    if (there !== make()) stale.push(name)
  }
  return stale
}

export async function generate(root: URL): Promise<void> {
  for (const [name, make] of Object.entries(generated)) {
    const file = fileURLToPath(new URL(name, root))
    await mkdir(dirname(file), { recursive: true })
    await writeFile(file, make())
  }
}

async function main(): Promise<void> {
  const root = new URL('../', import.meta.url)
  if (!process.argv.includes('--check')) return generate(root)
  const stale = await outdated(root)
  for (const name of stale) process.stderr.write(`${name} is out of date: run npm run generate\n`)
  process.exitCode = stale.length > 0 ? 1 : 0
}

if (import.meta.main) await main()
