// What one load of a configuration carries along: the problems so far, the files read, what came out of a reference.
import { readFile } from 'node:fs/promises'
import { dirname, isAbsolute, join, resolve } from 'node:path'
import type { Path } from './positions.ts'
import { keyOf } from './positions.ts'
import { Problems } from './problems.ts'

export type Environment = Readonly<Record<string, string | undefined>>
export interface ReadingOptions {
  readonly env: Environment
  /** References are not resolved; something that satisfies the schema stands in for all of them, or for the missing ones. */
  readonly withoutSecrets: boolean | 'missing'
  /** Epoch milliseconds. */
  readonly now: number
}

export class Reading {
  readonly problems = new Problems()
  readonly env: Environment
  readonly withoutSecrets: boolean | 'missing'
  readonly now: number
  readonly #files = new Set<string>()
  readonly #fromReference = new Set<string>()

  constructor({ env, withoutSecrets, now }: ReadingOptions) {
    this.now = now
    this.env = env
    this.withoutSecrets = withoutSecrets
  }

  /** Absolute paths of all files that were read or looked for. */
  get files(): readonly string[] {
    return [...this.#files]
  }

  /** How a file is called in messages: seen from the file that names it. */
  static nameFrom(naming: string, file: string): string {
    return isAbsolute(file) ? file : join(dirname(naming), file)
  }

  /** The text, or why there is none. Every file asked for is watched, also a missing one. */
  async text(file: string): Promise<{ readonly text: string } | { readonly trouble: string }> {
    this.#files.add(resolve(file))
    try {
      return { text: (await readFile(file, 'utf8')).replace(/^\uFEFF/, '') }
    } catch (cause) {
      const code = (cause as NodeJS.ErrnoException).code
      const known: Readonly<Record<string, string>> = {
        ENOENT: 'does not exist',
        EACCES: 'may not be read',
        EISDIR: 'is a folder',
      }
      return { trouble: known[code ?? ''] ?? 'cannot be read' }
    }
  }

  markFromReference(path: Path): void {
    this.#fromReference.add(keyOf(path))
  }
  /** The value, or one above it, came out of `${env:}` or `${file:}`: it is never printed. */
  isFromReference(path: Path): boolean {
    for (let length = path.length; length > 0; length--) if (this.#fromReference.has(keyOf(path.slice(0, length)))) return true
    return false
  }
  /** A value as a message may show it. */
  show(path: Path, value: string): string {
    return this.isFromReference(path) ? 'what the reference holds' : `"${value.slice(0, 80)}"`
  }
}
