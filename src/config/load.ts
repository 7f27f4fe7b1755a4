// A configuration file with all it names -> Config, or the full list of problems. The only place that reads the environment.
// It knows nothing of portals and providers as things that run (compile.ts).
import { dirname } from 'node:path'
import type { Problem } from '../errors.ts'
import { refuseAbsent } from './absent.ts'
import { checkConditions } from './checks/check-conditions.ts'
import { checkPortals } from './checks/check-portals.ts'
import { checkProviders } from './checks/check-providers.ts'
import { checkRefresh } from './checks/check-refresh.ts'
import { checkServer } from './checks/check-server.ts'
import { checkSignOut } from './checks/check-sign-out.ts'
import { checkSigningIn } from './checks/check-signing-in.ts'
import { DocumentReader } from './document.ts'
import { foldProviders, foldState } from './fold.ts'
import { includeProviders } from './include.ts'
import { readPems } from './pem-files.ts'
import type { Path, Place } from './positions.ts'
import { type Environment, Reading } from './reading.ts'
import { expandReferences } from './references.ts'
import { type LoadedRule, loadRules } from './rules.ts'
import type { Config } from './schema.ts'
import { isTree, type Tree } from './tree.ts'
import { validate } from './validate.ts'

export type { Place } from './positions.ts'
export type { LoadedRule } from './rules.ts'

export interface LoadOptions {
  /** Default: the process's. */
  readonly env?: Environment
  /** `true`: no reference is resolved, no certificate read. `'missing'`: stand-ins only for what cannot be resolved. Never for a start. */
  readonly withoutSecrets?: boolean | 'missing'
  /** Epoch milliseconds; default: now. For what is over or not yet. */
  readonly now?: number
}

export interface Loaded {
  /** Secrets expanded, defaults applied. */
  readonly config: Config
  /** By name: those read from `rulesDir` and those written on the spot. */
  readonly rules: ReadonlyMap<string, LoadedRule>
  readonly warnings: readonly Problem[]
  /** Rule files that nothing names. */
  readonly unusedRules: readonly string[]
  /** Absolute paths of everything that was read or looked for: watch these. */
  readonly files: readonly string[]
  /** Where a value of the configuration was written. */
  locate(path: Path): Place
}

/**
 * Reads, expands, validates and cross-checks.
 * @param file the main file; names in it are seen from its folder
 * @throws ConfigError with every problem found, in the order of the files
 */
export async function loadConfig(file: string, options: LoadOptions = {}): Promise<Loaded> {
  const { env = process.env, withoutSecrets = false, now = Date.now() } = options
  const reading = new Reading({ env, withoutSecrets, now })
  const { problems } = reading
  const tree = await readTree(file, reading)
  if (tree === undefined) throw problems.failure(reading.files)
  const config = validate(tree, reading)
  if (config === undefined) throw problems.failure(reading.files)
  checkServer(config, reading)
  checkProviders(config, reading)
  checkPortals(config, reading)
  checkConditions(config, reading)
  checkSigningIn(config, reading)
  checkRefresh(config, reading)
  checkSignOut(config, reading)
  const { rules, unused } = await loadRules(config, reading)
  if (problems.hasErrors) throw problems.failure(reading.files)
  return {
    config,
    rules,
    warnings: problems.all,
    unusedRules: unused,
    files: reading.files,
    locate: (path) => problems.positions.locate(path),
  }
}

/** The tree the schema will see: included, expanded, folded into one spelling. */
async function readTree(file: string, reading: Reading): Promise<Tree | undefined> {
  const { problems } = reading
  const read = await reading.text(file)
  if ('trouble' in read) {
    problems.error([], `the file ${read.trouble}`, `name another with --config FILE (folder: ${dirname(file)})`, {
      file,
      line: 1,
      column: 1,
    })
    return undefined
  }
  const reader = new DocumentReader(problems)
  const tree = reader.read({ file, text: read.text }, [])
  if (!isTree(tree)) return undefined
  await includeProviders(tree, reader, reading)
  await expandReferences(tree, reading)
  foldProviders(tree, reading)
  foldState(tree, reading)
  refuseAbsent(tree, reading)
  await readPems(tree, reading)
  return tree
}
