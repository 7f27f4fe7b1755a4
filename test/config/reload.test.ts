// Real files and the watching of the system: a change is seen after a moment, and each of these waits for it.
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { it, onTestFinished } from 'vitest'
import { watchFiles } from '../../src/config/reload.ts'

async function watched(onChange: (change: number, files: readonly string[]) => Promise<void>) {
  const folder = await mkdtemp(join(tmpdir(), 'postern-watch-'))
  const files = ['one.yaml', 'two.yaml'].map((name) => join(folder, name))
  for (const file of files) await writeFile(file, 'first')
  let changes = 0
  const watching = watchFiles(() => onChange(++changes, files))
  onTestFinished(async () => {
    watching.close()
    await rm(folder, { recursive: true, force: true })
  })
  await watching.follow(files)
  return { watching, files }
}

it('a file that changes while the configuration is being loaded has it loaded again', async () => {
  const second = Promise.withResolvers<void>()
  const { watching, files } = await watched(async (change, [one = '', two = '']) => {
    if (change === 2) return second.resolve()
    await watching.note()
    // both were read by now
    await writeFile(two, 'second')
    await watching.follow([one, two])
  })
  await writeFile(files[0] ?? '', 'second')
  await second.promise
})

it('what was loaded by hand meanwhile is what a change is a change of', async () => {
  const changed = Promise.withResolvers<void>()
  const { watching, files } = await watched(async () => changed.resolve())
  await writeFile(files[0] ?? '', 'second')
  await watching.note()
  await watching.follow(files)
  await writeFile(files[0] ?? '', 'first') // as it was before
  await changed.promise
})
