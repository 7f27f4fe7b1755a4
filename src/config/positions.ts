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

/**
 * The offset in the source of a character of a YAML text. What is no blank stands in both in the same order, once escapes and
 * doubled quotes are read; of indentation, folded lines and line breaks nothing has to be known.
 */
export function offsetInside(mark: Mark, value: string, offset: number): number {
  const offsets = visibleOffsets(mark)
  const before = value.slice(0, offset).replace(/\s/g, '').length
  const isBlank = /\s/.test(value[offset] ?? '')
  const found = isBlank && before > 0 ? (offsets[before - 1] ?? mark.end) + 1 : offsets[before]
  return Math.min(found ?? offsets.at(-1) ?? mark.start, mark.end)
}

/** Where each code unit that is no blank stands. */
function visibleOffsets({ source: { text }, start, end, isBlock }: Mark): readonly number[] {
  const quote = !isBlock && (text[start] === '"' || text[start] === "'") ? text[start] : ''
  const offsets: number[] = []
  for (let at = isBlock ? text.indexOf('\n', start) + 1 : start + quote.length; at < end; at++) {
    const character = text[at] ?? ''
    const next = text[at + 1] ?? ''
    if (quote === '"' && character === '\\') {
      const { width, units } = escapeAt(text, at)
      offsets.push(...units)
      at += width - 1
    } else if (character === quote && next === quote && quote === "'") offsets.push(++at)
    else if (character === quote) return offsets
    else if (!/\s/.test(character)) offsets.push(at)
  }
  return offsets
}

const digits: Readonly<Record<string, number>> = { x: 2, u: 4, U: 8 }
/** YAML 1.2 section 5.7. @returns its width in the source, and where each visible code unit that it stands for is shown */
function escapeAt(text: string, at: number): { readonly width: number; readonly units: readonly number[] } {
  const letter = text[at + 1] ?? ''
  const count = digits[letter]
  if (count !== undefined) {
    const code = Number.parseInt(text.slice(at + 2, at + 2 + count), 16)
    const character = code <= 0x10ffff ? String.fromCodePoint(code) : ''
    return { width: 2 + count, units: Array.from(character.replace(/\s/g, '').split(''), () => at) }
  }
  return { width: 2, units: /[\sntrvf_LP]/.test(letter) ? [] : [at + 1] }
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
