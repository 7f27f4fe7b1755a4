// Collects what is wrong with a configuration, each at its place. Never holds a value: it may have come from a secret.
import { ConfigError, type Problem } from '../errors.ts'
import { dotted, keyOf, type Path, type Place, Positions } from './positions.ts'

type Severity = Problem['severity']
export interface Finding {
  readonly severity: Severity
  readonly path: Path
  readonly message: string
  readonly advice: string
  /** Point at the key instead of the value. */
  readonly atKey?: boolean
  /** Point here instead of where `path` stands. */
  readonly place?: Place
}

export class Problems {
  readonly positions = new Positions()
  readonly #found: Problem[] = []
  /** Paths already complained about, or whose value is a stand-in: what follows from them is not said. */
  readonly #settled = new Set<string>()

  add({ severity, path, message, advice, atKey, place }: Finding): void {
    if (this.isSettled(path)) return
    const { file, line, column } = place ?? (atKey ? this.positions.locateKey(path) : this.positions.locate(path))
    const problem = { severity, file, line, column, key: dotted(path), message, advice }
    if (!this.#found.some((known) => JSON.stringify(known) === JSON.stringify(problem))) this.#found.push(problem)
  }
  error(path: Path, message: string, advice: string, place?: Place): void {
    this.add({ severity: 'error', path, message, advice, ...(place && { place }) })
  }
  warning(path: Path, message: string, advice: string, place?: Place): void {
    this.add({ severity: 'warning', path, message, advice, ...(place && { place }) })
  }

  settle(path: Path): void {
    this.#settled.add(keyOf(path))
  }
  /** This path or one above it. */
  isSettled(path: Path): boolean {
    for (let length = path.length; length > 0; length--) if (this.#settled.has(keyOf(path.slice(0, length)))) return true
    return false
  }

  /** In the order of the files, the main one first. */
  get all(): readonly Problem[] {
    const main = this.positions.fileOf([])
    const rank = (problem: Problem) => (problem.file === main ? '' : problem.file)
    return [...this.#found].sort((a, b) => {
      if (rank(a) !== rank(b)) return rank(a) < rank(b) ? -1 : 1
      return a.line - b.line || a.column - b.column
    })
  }
  get hasErrors(): boolean {
    return this.#found.some((problem) => problem.severity === 'error')
  }
  failure(files: readonly string[]): ConfigError {
    return new ConfigError(this.all, files)
  }
}
