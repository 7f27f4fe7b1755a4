// Watches every file a configuration was made of. A ConfigMap changes by swapping a symbolic link in the folder, so folders are
// watched, contents compared, and a slow look goes round in case an event was missed.
import { createHash } from 'node:crypto'
import { type FSWatcher, watch } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { dirname } from 'node:path'

export interface Watching {
  /** What is watched from now on. */
  follow(files: readonly string[]): Promise<void>
  close(): void
}

/** Milliseconds: several files of one change arrive together. */
const settle = 150
const slowLook = 15_000

/** @param onChange called once per change of content, never twice at once */
export function watchFiles(onChange: () => Promise<void>): Watching {
  let files: readonly string[] = []
  let fingerprint = ''
  let watchers: FSWatcher[] = []
  let timer: NodeJS.Timeout | undefined
  let looking = false
  let again = false

  const look = async (): Promise<void> => {
    if (looking) {
      again = true
      return
    }
    looking = true
    try {
      do {
        again = false
        const now = await fingerprintOf(files)
        if (now !== fingerprint) {
          fingerprint = now
          await onChange()
        }
      } while (again)
    } finally {
      looking = false
    }
  }
  const soon = (): void => {
    clearTimeout(timer)
    timer = setTimeout(() => void look().catch(() => undefined), settle)
    timer.unref()
  }
  const slow = setInterval(soon, slowLook)
  slow.unref()

  return {
    follow: async (next) => {
      files = next
      fingerprint = await fingerprintOf(next)
      for (const watcher of watchers) watcher.close()
      watchers = [...new Set(next.map((file) => dirname(file)))].flatMap((folder) => {
        try {
          return [watch(folder, { persistent: false }, soon).on('error', () => undefined)]
        } catch {
          return [] // the slow look is still there
        }
      })
    },
    close: () => {
      clearInterval(slow)
      clearTimeout(timer)
      for (const watcher of watchers) watcher.close()
    },
  }
}

async function fingerprintOf(files: readonly string[]): Promise<string> {
  const hash = createHash('sha256')
  for (const file of files) hash.update(`${file}\0`).update(await readFile(file).catch(() => 'missing'))
  return hash.digest('hex')
}
