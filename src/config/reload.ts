// Watches every file a configuration was made of. A ConfigMap changes by swapping a symbolic link in the folder, so folders are
// watched, contents compared, and a slow look goes round in case an event was missed.
import { hash } from 'node:crypto'
import { type FSWatcher, watch } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { dirname } from 'node:path'

export interface Watching {
  /** What is there now is about to be read: what changes from now on is a change. */
  note(): Promise<void>
  /** What is watched from now on. What was watched before is compared with what was noted. */
  follow(files: readonly string[]): Promise<void>
  close(): void
}

/** Milliseconds: several files of one change arrive together. */
const settle = 150
const slowLook = 15_000

/** @param onChange called once per change of content, never twice at once */
export function watchFiles(onChange: () => Promise<void>): Watching {
  let files: readonly string[] = []
  let seen: ReadonlyMap<string, string> = new Map()
  let watchers: FSWatcher[] = []
  let timer: NodeJS.Timeout | undefined
  let looking = false
  let again = false
  let closed = false

  const look = async (): Promise<void> => {
    if (looking) {
      again = true
      return
    }
    looking = true
    try {
      do {
        again = false
        const now = await hashesOf(files)
        if (files.some((file) => now.get(file) !== seen.get(file))) {
          seen = now
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
    note: async () => {
      seen = await hashesOf(files)
    },
    follow: async (next) => {
      const added = await hashesOf(next.filter((file) => !seen.has(file)))
      files = next
      seen = new Map(next.map((file) => [file, seen.get(file) ?? added.get(file) ?? '']))
      for (const watcher of watchers) watcher.close()
      if (closed) return
      watchers = [...new Set(next.map((file) => dirname(file)))].flatMap((folder) => {
        try {
          return [watch(folder, { persistent: false }, soon).on('error', () => undefined)]
        } catch {
          return [] // the slow look is still there
        }
      })
      soon() // what the old watchers had to say is lost with them
    },
    close: () => {
      closed = true
      clearInterval(slow)
      clearTimeout(timer)
      for (const watcher of watchers) watcher.close()
    },
  }
}

async function hashesOf(files: readonly string[]): Promise<ReadonlyMap<string, string>> {
  const hashes = new Map<string, string>()
  for (const file of files) hashes.set(file, hash('sha256', await readFile(file).catch(() => 'missing')))
  return hashes
}
