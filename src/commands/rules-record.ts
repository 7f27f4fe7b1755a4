// `postern rules record`: a refusal becomes a case of the rule that refused, with the personal data replaced. Only what the rule
// reads is written, and the case has to say what the refusal said.
import { appendFile, readFile } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { isDeepStrictEqual } from 'node:util'
import { stringify } from 'yaml'
import { compileExpression, type Expression, ExpressionError, type Reads } from '../expression/compile.ts'
import { literalsOf } from '../expression/literals.ts'
import { factsOfCase } from '../facts.ts'
import { compilePermit } from '../permission/permit.ts'
import { type RuleCase, readCases, readRuleFile } from '../permission/rule-file.ts'
import { createStandIns } from '../permission/stand-ins.ts'
import type { Json } from '../types.ts'
import { type Refused, refusalIn } from './rules-refusal.ts'

export interface RecordArguments {
  /** Of `NAME.jsonata`; or the cases file of one rule. */
  readonly target: string
  /** The text of a log, of an explanation, or of facts. */
  readonly text: string
  /** The request's id; default: the last refusal by a rule. */
  readonly request?: string | undefined
  readonly rule?: string | undefined
  /** JSON of facts that the log does not hold. */
  readonly facts?: string | undefined
}
type Print = (line: string) => void
class Unusable extends Error {}

const casesEnding = '.cases.yaml'

/** Appends the case and prints it. @returns the exit code: 0, or 1 where there is nothing to record */
export async function rulesRecord(args: RecordArguments, out: Print, err: Print): Promise<number> {
  try {
    return await record(args, out)
  } catch (error) {
    if (!(error instanceof Unusable)) throw error
    err(`postern: ${error.message}`)
    return 1
  }
}

async function record({ target, text, request, rule, facts }: RecordArguments, out: Print): Promise<number> {
  const refused = refusalIn(text, request)
  if (!refused)
    throw new Unusable(
      `${request === undefined ? 'no refusal by a rule' : `no refusal with the id ${request}`} stands there  → name a log, an explanation, or facts as JSON`,
    )
  const isFile = target.endsWith(casesEnding)
  const name = rule ?? refused.rule ?? (isFile ? basename(target, casesEnding) : undefined)
  if (name === undefined) throw new Unusable('the rule is not known  → name it with --rule NAME')
  if (!/^[\w. -]+$/.test(name)) throw new Unusable(`${name} is no name of a rule file  → name it with --rule NAME`)
  const file = isFile ? target : join(target, name + casesEnding)
  const source = await sourceOf(file.slice(0, -casesEnding.length), name)
  const added = facts === undefined ? {} : objectIn(facts)
  const expression = compiled(source, name)
  const given = { ...refused.facts, ...added }
  const kept = onlyRead(expression.reads, given)
  const recorded = await caseOf(refused, name, expression, kept, replaced(kept, given, source))
  const before = await readFile(file, 'utf8').catch(() => '')
  const { cases } = readCases(before, file)
  const twin = cases.find(({ name, facts, expect }) =>
    isDeepStrictEqual([name.replace(numbered, ''), facts, expect], [recorded.name, recorded.facts, recorded.expect]),
  )
  const notes = missingOf(expression.reads, given, refused.isWhole === true).map(
    (missing) => `note: ${missing} is not in there: add it with --facts FILE where the person had it`,
  )
  if (twin) {
    out(`${file}: this case is there already: ${twin.name}`)
    for (const note of notes) out(note)
    return 0
  }
  const named = { ...recorded, name: freeName(recorded.name, cases) }
  const line = `- ${stringify(named, { collectionStyle: 'flow', lineWidth: 0 }).trimEnd()}\n`
  await appendFile(file, (before === '' || before.endsWith('\n') ? '' : '\n') + line)
  out(`${file}:`)
  out(line.trimEnd())
  for (const note of notes) out(note)
  return 0
}

const numbered = / \(\d+\)$/

/** Two cases of one day differ: their names do, too. */
function freeName(name: string, cases: readonly RuleCase[]): string {
  const taken = new Set(cases.map((one) => one.name))
  let free = name
  for (let number = 2; taken.has(free); number++) free = `${name} (${number})`
  return free
}

async function sourceOf(stem: string, name: string): Promise<string> {
  const text = await readFile(`${stem}.jsonata`, 'utf8').catch(() => undefined)
  if (text === undefined)
    throw new Unusable(`there is no ${stem}.jsonata  → name the folder of the rules, or the rule with --rule NAME`)
  return readRuleFile(text, name).source
}

function compiled(source: string, name: string): Expression {
  try {
    return compileExpression(source, 'rule')
  } catch (error) {
    if (error instanceof ExpressionError)
      throw new Unusable(`the rule ${name} cannot be read: ${error.message}  → ${error.advice}`)
    throw error
  }
}

function objectIn(text: string): Readonly<Record<string, Json>> {
  try {
    const value = JSON.parse(text) as Json
    if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as Readonly<Record<string, Json>>
  } catch {
    // said below
  }
  throw new Unusable('the facts are no JSON object  → write {"hd": "company.com"}')
}

type Facts = Readonly<Record<string, Json>>

/** A case need not say more than the rule asks. */
function onlyRead(reads: Reads, facts: Facts): Facts {
  if (reads.everything) return facts
  const wanted = ([name]: readonly [string, Json]) =>
    name === 'claims'
      ? reads.facts.has(name)
      : reads.facts.has(name) || (name === 'client_ip' && reads.clientAddress) || (name === 'now' && reads.time)
  const part = (value: Json, names: ReadonlySet<string>): Json =>
    isObject(value) ? Object.fromEntries(Object.entries(value).filter(([name]) => names.has(name))) : value
  return Object.fromEntries(
    Object.entries(facts)
      .filter(wanted)
      .map(([name, value]) => [
        name,
        name === 'claims' ? part(value, reads.claims) : name === 'request' ? part(value, reads.request) : value,
      ]),
  )
}

const isObject = (value: Json): value is Facts => typeof value === 'object' && value !== null && !Array.isArray(value)

/** What stands in no log line; an explanation holds all that there was. */
const notInLogs = ['groups', 'acr', 'authenticated_at', 'profile', 'auth']
const notInLogsOfRequest = ['query', 'host']

/** @param isWhole what is not there was not there either when the rule was asked */
function missingOf(reads: Reads, facts: Facts, isWhole: boolean): readonly string[] {
  const claims = isObject(facts['claims'] ?? null) ? (facts['claims'] as Facts) : {}
  const request = isObject(facts['request'] ?? null) ? (facts['request'] as Facts) : {}
  const ours = notInLogs.filter((name) => reads.facts.has(name) && !(name in facts))
  const ofRequest = notInLogsOfRequest.filter((name) => reads.request.has(name) && !(name in request))
  const ofAll = reads.everything ? ['groups', 'claims'].filter((name) => !(name in facts) && !ours.includes(name)) : []
  const theirs = [...reads.claims].filter((name) => !(name in facts) && !(name in claims)).sort()
  return isWhole ? theirs : [...ours, ...ofAll, ...ofRequest.map((name) => `request.${name}`), ...theirs]
}

/** @param all also what is not written: a name among it may stand inside what is */
function replaced(facts: Facts, all: Facts, source: string): Facts {
  const standIns = createStandIns(literalsOf(source))
  for (const [name, value] of Object.entries(all)) standIns.replace(value, name)
  const isTime = (name: string) => name === 'now' || name === 'authenticated_at'
  return Object.fromEntries(
    Object.entries(facts).map(([name, value]) => [name, isTime(name) ? timeOf(value) : standIns.replace(value, name)]),
  )
}

const timeOf = (value: Json): Json =>
  typeof value === 'number' && Number.isFinite(value) ? new Date(value).toISOString() : value

async function caseOf(refused: Refused, rule: string, expression: Expression, before: Facts, facts: Facts): Promise<RuleCase> {
  const { permit } = compilePermit([{ name: rule, expression }])
  const [meant, verdict] = [await permit(factsOfCase(before)), await permit(factsOfCase(facts))]
  if (verdict.allowed)
    throw new Unusable(
      'without the personal data the rule lets this person in: nothing is recorded  → write the case by hand, and look whether the rule asks for somebody by name',
    )
  if (verdict.reason !== meant.reason)
    throw new Unusable(
      `without the personal data the rule ${verdict.reason === 'rule-failed' ? 'fails' : 'says no'}, which it did not before: nothing is recorded  → write the case by hand`,
    )
  const when = refused.at === undefined ? '' : ` on ${refused.at.slice(0, 10)}`
  const where = refused.portal ? ` at ${refused.portal}` : ''
  return { name: `refused${where}${when}`, facts, expect: 'deny' }
}
