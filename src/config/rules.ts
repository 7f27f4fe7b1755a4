// The rules and header expressions a configuration names: read, compiled and looked over, each complaint at its place.
import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import type { Known } from '../expression/lint-literals.ts'
import { readRuleFile } from '../permission/rule-file.ts'
import { casesBeside, checkFileCases, checkInlineCases } from './cases.ts'
import { checkAttributes, checkHeaders } from './checks/check-values.ts'
import { nearest } from './did-you-mean.ts'
import { compiled, type Locate, lint } from './expression-check.ts'
import { type Path, placeAt } from './positions.ts'
import { Reading } from './reading.ts'
import type { Config, RuleReference } from './schema.ts'

/** A rule as it was found, in a file or written on the spot. */
export interface LoadedRule {
  readonly file: string
  /** JSONata or the simple dialect. */
  readonly source: string
  readonly message?: string
  /** Of the source's first character. */
  readonly position: { readonly line: number; readonly column: number }
}
export interface LoadedRules {
  readonly rules: ReadonlyMap<string, LoadedRule>
  /** Names of files in rulesDir that nothing names. */
  readonly unused: readonly string[]
}
/** Reads every rule that is named and checks every expression of the configuration. */
export async function loadRules(config: Config, reading: Reading): Promise<LoadedRules> {
  const folder = Reading.nameFrom(reading.problems.positions.fileOf(['rulesDir']), config.rulesDir)
  const rules = new Map<string, LoadedRule>()
  const there = await namesIn(folder)
  const known = knownIn(config)
  for (const { path, reference } of references(config)) {
    if (reading.problems.isSettled(path)) continue
    if (typeof reference !== 'string') await inlineRule(reference, path, rules, reading, known)
    else if (!rules.has(reference)) await ruleFile(reference, { path, folder, there, known }, rules, reading)
  }
  checkHeaders(config, reading)
  checkAttributes(config, reading)
  return { rules, unused: there.filter((name) => !rules.has(name)) }
}

const knownIn = ({ providers, portals }: Config): Known => ({
  provider: providers.filter(({ enabled }) => enabled).map(({ name }) => name),
  portal: portals.map(({ name }) => name),
  nearest,
})

async function namesIn(folder: string): Promise<readonly string[]> {
  const files = await readdir(folder).catch(() => [])
  return files
    .filter((file) => file.endsWith('.jsonata'))
    .map((file) => file.slice(0, -'.jsonata'.length))
    .sort()
}

interface Reference {
  readonly path: Path
  readonly reference: RuleReference
}
/** Files before rules written on the spot, so that a name taken twice is said of the latter. */
function references(config: Config): readonly Reference[] {
  const listed = (list: readonly RuleReference[], path: Path) =>
    list.map((reference, index) => ({ path: [...path, 'rules', index], reference }))
  const all = [
    ...config.providers.flatMap((provider, index) => listed(provider.rules, ['providers', index])),
    ...config.portals.flatMap((portal, index) => [
      ...listed(portal.rules, ['portals', index]),
      ...portal.routes.flatMap((route, at) => listed(route.rules, ['portals', index, 'routes', at])),
    ]),
  ]
  return [
    ...all.filter(({ reference }) => typeof reference === 'string'),
    ...all.filter(({ reference }) => typeof reference !== 'string'),
  ]
}

interface Named {
  readonly path: Path
  readonly folder: string
  readonly there: readonly string[]
  readonly known: Known
}
async function ruleFile(
  name: string,
  { path, folder, there, known }: Named,
  rules: Map<string, LoadedRule>,
  reading: Reading,
): Promise<void> {
  const file = join(folder, `${name}.jsonata`)
  const read = await reading.text(file)
  if ('trouble' in read) {
    const meant = nearest(name, there)
    return reading.problems.error(
      path,
      `there is no rule ${reading.show(path, name)}: ${file} ${read.trouble}`,
      meant ? `did you mean ${meant}?` : 'create the file, or write { name, when }',
    )
  }
  const { source, message, offset } = readRuleFile(read.text, name)
  const locate: Locate = (at) => placeAt({ file, text: read.text }, offset + at)
  const { line, column } = locate(0)
  rules.set(name, { file, source, ...(message !== undefined && { message }), position: { line, column } })
  const expression = compiled(source, 'rule', path, locate, reading)
  if (!expression) return
  const cases = await casesBeside(file, path, locate(0), reading)
  lint(source, cases?.cases, path, locate, reading, known)
  if (cases) await checkFileCases(expression, cases, path, reading)
}

async function inlineRule(
  rule: Exclude<RuleReference, string>,
  path: Path,
  rules: Map<string, LoadedRule>,
  reading: Reading,
  ours: Known,
): Promise<void> {
  const { positions } = reading.problems
  const at = [...path, 'when']
  if (reading.problems.isSettled(at)) return
  const locate: Locate = (offset) => positions.locateInside(at, rule.when, offset)
  const { line, column } = locate(0)
  const known = rules.get(rule.name)
  if (known && known.source !== rule.when)
    return reading.problems.error([...path, 'name'], 'another rule has this name', 'give each rule a name of its own')
  rules.set(rule.name, {
    file: positions.fileOf(at),
    source: rule.when,
    ...(rule.message !== undefined && { message: rule.message }),
    position: { line, column },
  })
  const expression = compiled(rule.when, 'rule', at, locate, reading)
  if (!expression) return
  lint(rule.when, rule.cases, at, locate, reading, ours)
  await checkInlineCases(expression, rule.cases ?? [], path, reading)
}
