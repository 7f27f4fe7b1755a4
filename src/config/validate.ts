// The tree against the schema. Where it does not fit, every misfit is said, and a mended copy serves the checks between keys,
// so that one run of `check` shows everything.
import { findingsOf, flattened, type Issue } from './issues.ts'
import type { Path } from './positions.ts'
import type { Reading } from './reading.ts'
import { dummyKey } from './schema/session.ts'
import { type Config, configSchema } from './schema.ts'
import { deleteAt, putAt, type Tree, valueAt } from './tree.ts'

/** The configuration, or one mended for further checks (then the errors are said); undefined where nothing helps. */
export function validate(tree: Tree, reading: Reading): Config | undefined {
  const result = configSchema.safeParse(tree)
  if (result.success) return result.data
  for (const issue of flattened(result.error.issues, tree)) {
    if (reading.withoutSecrets && reading.isFromReference(issue.path as Path) && !wantsMoreThanText(issue)) continue
    for (const finding of findingsOf(issue, tree, reading)) reading.problems.add(finding)
  }
  return mended(tree, reading)
}

/** Whatever a reference holds, it is text. */
const wantsMoreThanText = (issue: Issue): boolean =>
  issue.code === 'invalid_type' && ['array', 'object', 'record'].includes(issue.expected)

/** Tried in turn where a text does not fit: one of them satisfies every kind of value. */
const standIns: readonly unknown[] = [
  'reference',
  dummyKey,
  'https://reference.invalid',
  'redis://reference.invalid',
  '192.0.2.1',
  '127.0.0.1:0',
  '/reference',
  '5s',
  '32KiB',
  false,
  'GET',
  0,
]

function mended(tree: Tree, reading: Reading): Config | undefined {
  const copy = structuredClone(tree)
  const touched: Path[] = []
  for (let round = 0; round < standIns.length + 6; round++) {
    const result = configSchema.safeParse(copy)
    if (result.success) {
      for (const path of touched) if (path.length > 0) reading.problems.settle(path)
      return result.data
    }
    const issues = flattened(result.error.issues, copy)
    for (const issue of issues) touched.push(...mend(copy, issue, round))
  }
  return undefined
}

/** Makes one issue go away, or tries to. Returns what was touched. */
function mend(copy: Tree, issue: Issue, round: number): readonly Path[] {
  const path = issue.path as Path
  if (issue.code === 'unrecognized_keys') {
    for (const key of issue.keys) deleteAt(copy, [...path, key])
    return []
  }
  if (issue.code === 'invalid_key') deleteAt(copy, path)
  else putAt(copy, path, replacement(issue, round, path, valueAt(copy, path)))
  return [path]
}

function replacement(issue: Issue, round: number, path: Path, value: unknown): unknown {
  // `enabled: yes` means a provider that is there: what else is wrong with it is worth saying
  if (path.at(-1) === 'enabled') return !/^(no|n|off|0)$/i.test(String(value))
  if (issue.code === 'invalid_value') return issue.values[0]
  if (issue.code === 'invalid_type' && (issue.expected === 'object' || issue.expected === 'record')) return {}
  if (issue.code === 'invalid_type' && issue.expected === 'array') return []
  if (issue.code === 'too_small' && issue.origin === 'array') return [standIns[round % standIns.length]]
  if (issue.code === 'invalid_union' && 'discriminator' in issue) return 'WEBSEAL'
  const standIn = standIns[round % standIns.length]
  // names must differ, or the checks would find them twice
  return standIn === 'reference' ? `reference-${path.join('-')}`.slice(0, 60) : standIn
}
