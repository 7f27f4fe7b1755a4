// `postern rules test --matrix`: every person of people.yaml at every route of every portal, decided as a request is decided,
// by the configuration as it lies there. Nobody signs in and nothing is forwarded.
import { readFile } from 'node:fs/promises'
import { formatProblem } from '../config/format-problem.ts'
import { loadConfig } from '../config/load.ts'
import type { Environment } from '../config/reading.ts'
import { decide } from '../decide.ts'
import { canonicalPath } from '../destination/canonical-path.ts'
import { PosternError } from '../errors.ts'
import { freshSession, refusalIn } from '../explanation/asserted.ts'
import type { Foreseeing } from '../explanation/foresight.ts'
import type { Clock, Decision, Generation, Identified, Identity, Portal, RequestView } from '../types.ts'
import { compileOrRefuse } from './compile-or-refuse.ts'
import { quietContext } from './quiet-context.ts'
import { type Asked, identityOf, type Person, readPeople } from './rules-people.ts'

export interface MatrixArguments {
  readonly config: string
  /** A file. */
  readonly people: string
  readonly env: Environment
  readonly clock: Clock
}
export interface Cell {
  readonly person: string
  readonly kind: 'allow' | 'deny' | 'sign-in' | 'warn'
  /** `deny staff-only`, `allow`. */
  readonly text: string
}
export interface Row {
  readonly portal: string
  readonly request: string
  readonly cells: readonly Cell[]
}
type Print = (line: string) => void

export interface Matrix {
  readonly rows: readonly Row[]
  /** What it does not know. */
  readonly notes: readonly string[]
}
/** Undefined where the people cannot be read, which is said. Throws ConfigError. */
export async function matrixOf({ config, people: file, env, clock }: MatrixArguments, out: Print): Promise<Matrix | undefined> {
  const text = await readFile(file, 'utf8').catch(() => undefined)
  if (text === undefined) {
    out(
      `FAIL  ${file}  cannot be read  → write people: [{ name: Ann, facts: { hd: company.com } }], or name another with --people FILE`,
    )
    return undefined
  }
  const { people, requests, problems } = readPeople(text, file)
  for (const problem of problems) out(formatProblem(problem))
  if (problems.length > 0) return undefined
  const loaded = await loadConfig(config, { env, withoutSecrets: 'missing' })
  const { parts } = compileOrRefuse(loaded, quietContext(env, clock))
  const generation: Generation & Foreseeing = parts.generation
  try {
    const rows: Row[] = []
    for (const portal of generation.portals.values())
      for (const asked of requestsOf(portal, requests)) rows.push(await rowOf(generation, portal, asked, people, clock()))
    return { rows, notes: notesOn(generation, people) }
  } finally {
    await parts.generation.close()
    await parts.forwarder.close()
  }
}

/** The portal itself, one example of each route, and what is asked for beside them. */
function requestsOf(portal: Portal, wanted: readonly Asked[]): readonly Asked[] {
  const examples = portal.routes
    .filter(({ pattern }) => pattern !== '')
    .map(({ pattern, methods }) => ({ method: [...(methods ?? ['GET'])][0] ?? 'GET', path: exampleOf(pattern) }))
  const own = wanted.filter(({ path }) => portal.path === '/' || path === portal.path || path.startsWith(`${portal.path}/`))
  const all = [{ method: 'GET', path: portal.path }, ...examples, ...own]
  return [...new Map(all.map((asked) => [`${asked.method} ${asked.path}`, asked] as const)).values()]
}

const exampleOf = (pattern: string): string => pattern.replace(/\*+/g, 'x')

/** A person's facts are asked of every provider: what one of them lacks is said once. */
function notesOn(generation: Generation & Foreseeing, people: readonly Person[]): readonly string[] {
  const pairs = [...generation.portals.values()].flatMap((portal) => people.map((person) => providerOf(person, portal)?.name))
  return [...new Set(pairs)].flatMap((name) => {
    const foresight = name === undefined ? undefined : generation.foresee?.(name)
    if (!foresight) return []
    const asked = people.filter(({ facts }) => facts && (facts['provider'] ?? name) === name)
    const given = asked.map(({ facts = {} }) => new Set(foresight.missing(facts)))
    // all that any of them lacks
    const missing = new Set(given.flatMap((names) => [...names]))
    const values = Object.fromEntries(
      asked.flatMap(({ facts = {} }) => Object.entries(facts).filter(([fact]) => !missing.has(fact))),
    )
    return foresight.notes(values)
  })
}

async function rowOf(
  generation: Generation & Foreseeing,
  portal: Portal,
  asked: Asked,
  people: readonly Person[],
  now: number,
): Promise<Row> {
  const cells: Cell[] = []
  for (const person of people) cells.push({ person: person.name, ...(await cellOf(generation, portal, asked, person, now)) })
  return { portal: portal.name, request: `${asked.method} ${asked.path}`, cells }
}

async function cellOf(
  generation: Generation & Foreseeing,
  portal: Portal,
  { method, path }: Asked,
  person: Person,
  now: number,
): Promise<Omit<Cell, 'person'>> {
  const canonical = canonicalPath(path.split('?')[0] ?? '')
  if (!canonical) return { kind: 'deny', text: 'deny path-refused' }
  const request = requestOf(method, canonical, path, portal, person)
  const identified = await whoIs(person, { portal, request, now }, generation)
  const asThis: Generation = { ...generation, findPortal: () => portal, identify: () => identified }
  try {
    return told(await decide(request, asThis, now))
  } catch (error) {
    return { kind: 'deny', text: `deny ${error instanceof PosternError ? error.reason : 'internal'}` }
  }
}

const nobody: Identified = { outcome: { kind: 'absent' }, cookies: [] }

/** Where a person names no provider, the portal's first: so that one person can be asked about everywhere. */
function providerOf({ facts }: Person, portal: Portal) {
  const wanted = facts?.['provider']
  return facts && portal.providers.find(({ name, protocol }) => (wanted === undefined ? protocol !== 'LOCAL' : name === wanted))
}

interface Entrance {
  readonly portal: Portal
  readonly request: RequestView
  readonly now: number
}
async function whoIs(person: Person, entrance: Entrance, generation: Foreseeing): Promise<Identified> {
  const provider = providerOf(person, entrance.portal)
  if (!provider) return nobody
  const identity = await shapedAs(person, provider.name, entrance, generation).catch(refusalIn)
  if ('kind' in identity) return { outcome: identity, cookies: [] }
  const outcome = { kind: 'identified', identity } as Identified['outcome']
  return { outcome, cookies: [], ...(provider.login ? { session: freshSession(identity, entrance.now) } : {}) }
}

/** Through the provider's profiles, but where the facts say themselves which profile it was: they are of somebody behind it. */
async function shapedAs(
  person: Person,
  provider: string,
  { portal, request, now }: Entrance,
  { foresee }: Foreseeing,
): Promise<Identity> {
  const foresight = foresee?.(provider)
  const { facts = {} } = person
  if (!foresight) return identityOf(person, provider, now)
  const { claims, added } = foresight.split(facts)
  const asserted = { ...identityOf({ ...person, facts: claims }, provider, now), added }
  return 'profile' in facts ? asserted : foresight.shape(asserted, { portal: portal.name, request, now })
}

function requestOf(
  method: string,
  { path, encodedSlash }: { readonly path: string; readonly encodedSlash: boolean },
  asked: string,
  portal: Portal,
  { facts }: Person,
): RequestView {
  const address = facts?.['client_ip']
  const query = asked.indexOf('?')
  return {
    id: '',
    method,
    host: new URL(portal.origin).hostname,
    path,
    query: query < 0 ? '' : asked.slice(query),
    cookies: '',
    lines: () => [],
    peer: { address: '', isTrustedProxy: false, certificateNames: [] },
    clientAddress: typeof address === 'string' ? address : null,
    navigation: method === 'GET' || method === 'HEAD',
    encodedSlash,
  }
}

function told(decision: Decision): Omit<Cell, 'person'> {
  const { kind, reason, rule } = decision
  if (kind === 'allow' && reason === 'rule-would-refuse') return { kind: 'warn', text: `allow, warned by ${rule}` }
  if (kind === 'allow' || kind === 'own') return { kind: 'allow', text: reason === 'allowed' ? 'allow' : `allow (${reason})` }
  if (kind === 'challenge') return { kind: 'sign-in', text: reason === 'sign-in-needed' ? 'sign in' : `sign in (${reason})` }
  return { kind: 'deny', text: rule ? `deny ${rule}${reason === 'rule-failed' ? ' (it failed)' : ''}` : `deny (${reason})` }
}

/** One table per portal: a line per request, a column per person. */
export function tableOf(rows: readonly Row[]): readonly string[] {
  return [...Map.groupBy(rows, ({ portal }) => portal)].flatMap(([portal, own]) => {
    const header = [portal, ...(own[0]?.cells ?? []).map(({ person }) => person)]
    const lines = [header, ...own.map(({ request, cells }) => [request, ...cells.map(({ text }) => text)])]
    const widths = header.map((_, column) => Math.max(...lines.map((line) => [...(line[column] ?? '')].length)))
    const written = lines.map((line) =>
      line
        .map((text, column) => text.padEnd(widths[column] ?? 0))
        .join('  ')
        .trimEnd(),
    )
    return ['', written[0] ?? '', widths.map((width) => '-'.repeat(width)).join('  '), ...written.slice(1)]
  })
}
