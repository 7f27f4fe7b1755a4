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
  type YAMLMap,
} from 'yaml'
import { type Path, placeAt, type Source } from './positions.ts'
import type { Problems } from './problems.ts'
import { aliasOfNothing, mistakeOf, plainly } from './yaml-mistakes.ts'

const mostBytes = 1024 * 1024
const mostNodes = 100_000
const mostDepth = 40

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
    const fatal = document.errors.filter((error) => error.code !== 'DUPLICATE_KEY')
    // what comes after the first break is guesswork
    const said = fatal.length > 0 ? [mistakeOf(fatal, source.text)] : [...document.errors, ...document.warnings].map(plainly)
    for (const { offset, message, advice } of said) this.#problems.error(at, message, advice, placeAt(source, offset))
    if (fatal.length > 0) return undefined
    if (!isMap(document.contents))
      return this.#refuse(source, 0, at, 'the file holds no keys', 'write KEY: VALUE lines, see docs/reference.md')
    return this.#plain(document.contents, { document, source }, at, undefined, 0)
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
    this.#problems.error(path, ...aliasOfNothing)
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
