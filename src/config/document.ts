// YAML or JSON text to plain data, with the place of every value. Bounded in size, depth and aliases.
import {
  type Alias,
  type Document,
  isAlias,
  isMap,
  isScalar,
  isSeq,
  type Node,
  parseDocument,
  type Scalar,
  type YAMLError,
  type YAMLMap,
  type YAMLWarning,
} from 'yaml'
import { type Path, placeAt, type Source } from './positions.ts'
import type { Problems } from './problems.ts'

const mostBytes = 1024 * 1024
const mostNodes = 100_000
const mostDepth = 40

/** The parser's own sentences quote the text, which may be a secret. */
const sentences: Readonly<Record<string, readonly [message: string, advice: string]>> = {
  BAD_ALIAS: ['an alias (*) stands for no anchor (&) before it', 'put the text into quotes, or define the anchor first'],
  BAD_DQ_ESCAPE: ['an unknown escape stands in double quotes', "use single quotes: '…'"],
  BAD_INDENT: ['the indentation does not fit', 'line it up with its neighbours, or close the bracket or quote above'],
  BAD_SCALAR_START: ['text starts with a character that means something in YAML', "put the text into quotes: '…'"],
  BLOCK_AS_IMPLICIT_KEY: [
    'a key and a list or map stand on one line',
    'put a line break after the colon, or quotes around text with ": " in it',
  ],
  DUPLICATE_KEY: ['this key stands twice in the same place', 'take one of them away'],
  MISSING_CHAR: ['a bracket, quote, comma or colon is missing', 'close what was opened, and put a blank after each colon'],
  MULTILINE_IMPLICIT_KEY: ['a key runs over several lines', 'close the quotes, or put a colon after the key'],
  MULTIPLE_DOCS: ['the file holds several documents', 'take the --- and what follows it away'],
  TAB_AS_INDENT: ['a tab is used for indentation', 'use blanks'],
  TAG_RESOLVE_FAILED: ['an unknown tag (!) stands here', "put the text into quotes: '…'"],
}
const anySentence = ['this is not valid YAML', 'check indentation, quotes and brackets around here'] as const

interface Origin {
  readonly document: Document
  readonly source: Source
}

export class DocumentReader {
  readonly #problems: Problems
  #nodes = 0
  constructor(problems: Problems) {
    this.#problems = problems
  }

  /** The document as plain data, marked from `at` on; undefined where it cannot be used, with the problem said. */
  read(source: Source, at: Path): unknown {
    try {
      return this.#parse(source, at)
    } catch (cause) {
      if (!(cause instanceof RangeError)) throw cause
      return this.#refuse(source, 0, at, 'the file is nested too deeply, or its aliases multiply', 'write it plainly')
    }
  }

  #parse(source: Source, at: Path): unknown {
    if (source.text.length > mostBytes)
      return this.#refuse(source, 0, at, 'the file is larger than 1 MiB', 'split it, or look whether it is the right file')
    const document = parseDocument(source.text, { prettyErrors: false, strict: true, merge: false, logLevel: 'error' })
    const fatal = document.errors.find((error) => error.code !== 'DUPLICATE_KEY')
    // what comes after the first break is guesswork
    for (const error of fatal ? [fatal] : [...document.errors, ...document.warnings]) this.#complain(error, source, at)
    if (fatal) return undefined
    if (!isMap(document.contents))
      return this.#refuse(source, 0, at, 'the file holds no keys', 'write KEY: VALUE lines, see docs/reference.md')
    return this.#plain(document.contents, { document, source }, at, undefined, 0)
  }

  #complain(error: YAMLError | YAMLWarning, source: Source, at: Path): void {
    const [message, advice] = sentences[error.code] ?? anySentence
    this.#problems.error(at, message, advice, placeAt(source, error.pos[0]))
  }
  #refuse(source: Source, offset: number, at: Path, message: string, advice: string): undefined {
    this.#problems.error(at, message, advice, placeAt(source, offset))
    return undefined
  }

  #plain(node: Node | null | undefined, from: Origin, path: Path, key: number | undefined, depth: number): unknown {
    if (++this.#nodes > mostNodes || depth > mostDepth) throw new RangeError('too much')
    const start = node?.range?.[0] ?? key ?? 0
    const isBlock = isScalar(node) && (node.type === 'BLOCK_LITERAL' || node.type === 'BLOCK_FOLDED')
    this.#problems.positions.set(path, {
      source: from.source,
      start,
      end: node?.range?.[1] ?? start,
      isBlock,
      ...(key !== undefined && { key }),
    })
    if (isAlias(node)) return this.#aliased(node, from, path, depth)
    if (isSeq(node))
      return node.items.map((item, index) => this.#plain(item as Node, from, [...path, index], undefined, depth + 1))
    if (isMap(node)) return this.#object(node, from, path, depth)
    return isScalar(node) ? (node as Scalar).value : null
  }

  #aliased(alias: Alias, from: Origin, path: Path, depth: number): unknown {
    const meant = alias.resolve(from.document)
    if (meant) return this.#plain(meant, from, path, undefined, depth + 1)
    this.#problems.error(path, ...(sentences['BAD_ALIAS'] ?? anySentence))
    this.#problems.settle(path)
    return null
  }

  #object(map: YAMLMap, from: Origin, path: Path, depth: number): Record<string, unknown> {
    const entries: [string, unknown][] = []
    for (const { key, value } of map.items) {
      const name = isScalar(key) ? String(key.value) : ''
      const start = (key as Node).range?.[0] ?? 0
      if (name === '<<')
        this.#refuse(from.source, start, [...path, name], 'merge keys (<<) are not read here', 'write the keys out')
      else if (name === '__proto__' || !isScalar(key))
        this.#refuse(from.source, start, path, 'this cannot be a key', 'write a plain word')
      else entries.push([name, this.#plain(value as Node, from, [...path, name], start, depth + 1)])
    }
    return Object.fromEntries(entries)
  }
}
