// Where every value of the configuration was written. Knows offsets and lines, nothing of what they mean.

export type Path = readonly (string | number)[]
/** 1-based line and column. */
export interface Place {
  readonly file: string
  readonly line: number
  readonly column: number
}
/** One text that was read: a configuration, an included file, a rule. */
export interface Source {
  readonly file: string
  readonly text: string
}
/** Where a value stands; `key` where it has one, `end` and `isBlock` for text. Offsets into the source. */
export interface Mark {
  readonly source: Source
  readonly start: number
  readonly end: number
  readonly key?: number
  readonly isBlock?: boolean
}

export const keyOf = (path: Path): string => JSON.stringify(path)

/** `providers[0].issuer`. */
export function dotted(path: Path): string {
  return path.reduce<string>(
    (text, part) => (typeof part === 'number' ? `${text}[${part}]` : text === '' ? part : `${text}.${part}`),
    '',
  )
}

export function placeAt({ file, text }: Source, offset: number): Place {
  const before = text.slice(0, Math.min(offset, text.length))
  const lineStart = before.lastIndexOf('\n') + 1
  return { file, line: before.split('\n').length, column: before.length - lineStart + 1 }
}

/** How far a character of a value may lie behind its last neighbour in the source: escapes and quotes, not more. */
const farthest = 8

/**
 * The offset in the source of a character of a YAML text. Both are walked together: whatever stands only in the source
 * (indentation, quotes, escapes, folded lines) is stepped over.
 */
export function offsetInside(mark: Mark, value: string, offset: number): number {
  const { text } = mark.source
  const header = mark.isBlock ? text.indexOf('\n', mark.start) + 1 : mark.start
  let at = header
  let last = header
  for (const character of value.slice(0, offset + 1)) {
    const found = /\s/.test(character) ? at : nextOf(text, character, at, mark)
    last = found ?? at
    at = /\s/.test(character) && !/\s/.test(text[at] ?? '') ? at : last + character.length
  }
  return Math.min(last, mark.end)
}

function nextOf(text: string, character: string, from: number, mark: Mark): number | undefined {
  let at = from
  while (at < mark.end && /\s/.test(text[at] ?? '')) at++
  const found = text.indexOf(character, at)
  return found >= 0 && found <= at + farthest ? found : undefined
}

export class Positions {
  readonly #marks = new Map<string, Mark>()

  set(path: Path, mark: Mark): void {
    this.#marks.set(keyOf(path), mark)
  }

  /** The value at `path` is found at `as` from now on too. */
  alias(path: Path, as: Path): void {
    const mark = this.#marks.get(keyOf(path))
    if (mark) this.set(as, mark)
  }
  /** The marks strictly below a path, to be put back by `restore`. */
  below(path: Path): ReadonlyMap<string, Mark> {
    const prefix = `${keyOf(path).slice(0, -1)},`
    return new Map([...this.#marks].filter(([key]) => key.startsWith(prefix)))
  }
  restore(marks: ReadonlyMap<string, Mark>): void {
    for (const [key, mark] of marks) this.#marks.set(key, mark)
  }

  /** The mark of this path or of the nearest one above it. */
  #nearest(path: Path): { readonly mark: Mark; readonly isExact: boolean } | undefined {
    for (let length = path.length; length >= 0; length--) {
      const mark = this.#marks.get(keyOf(path.slice(0, length)))
      if (mark) return { mark, isExact: length === path.length }
    }
    return undefined
  }

  /** Where the value stands; for a missing key, the key or item that lacks it. */
  locate(path: Path): Place {
    const found = this.#nearest(path)
    if (!found) return { file: '', line: 1, column: 1 }
    return placeAt(found.mark.source, found.isExact ? found.mark.start : (found.mark.key ?? found.mark.start))
  }

  locateKey(path: Path): Place {
    const found = this.#nearest(path)
    return found ? placeAt(found.mark.source, found.mark.key ?? found.mark.start) : this.locate(path)
  }

  /** @param offset 0-based, in the value of the text at `path` */
  locateInside(path: Path, value: string, offset: number): Place {
    const found = this.#nearest(path)
    if (!found?.isExact) return this.locate(path)
    return placeAt(found.mark.source, offsetInside(found.mark, value, offset))
  }

  /** The file in which this value, or the nearest above it, was written. */
  fileOf(path: Path): string {
    return this.#nearest(path)?.mark.source.file ?? ''
  }
}
