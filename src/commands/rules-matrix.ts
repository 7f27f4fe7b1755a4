// `postern rules test --matrix`: every person of people.yaml at every route of every portal, decided as a request is decided,
// by the configuration as it lies there. Nobody signs in and nothing is forwarded.
import { readFile } from 'node:fs/promises'
import { formatProblem } from '../config/format-problem.ts'
import { loadConfig } from '../config/load.ts'
import type { Environment } from '../config/reading.ts'
import { decide } from '../decide.ts'
import { canonicalPath } from '../destination/canonical-path.ts'
import { PosternError } from '../errors.ts'
import type { Clock, Decision, Generation, Identified, Portal, RequestView } from '../types.ts'
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

/** Undefined where the people cannot be read, which is said. Throws ConfigError. */
export async function matrixOf(
  { config, people: file, env, clock }: MatrixArguments,
  out: Print,
): Promise<readonly Row[] | undefined> {
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
  try {
    const rows: Row[] = []
    for (const portal of parts.generation.portals.values())
      for (const asked of requestsOf(portal, requests)) rows.push(await rowOf(parts.generation, portal, asked, people, clock()))
    return rows
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

async function rowOf(generation: Generation, portal: Portal, asked: Asked, people: readonly Person[], now: number): Promise<Row> {
  const cells: Cell[] = []
  for (const person of people) cells.push({ person: person.name, ...(await cellOf(generation, portal, asked, person, now)) })
  return { portal: portal.name, request: `${asked.method} ${asked.path}`, cells }
}

async function cellOf(
  generation: Generation,
  portal: Portal,
  { method, path }: Asked,
  person: Person,
  now: number,
): Promise<Omit<Cell, 'person'>> {
  const canonical = canonicalPath(path.split('?')[0] ?? '')
  if (!canonical) return { kind: 'deny', text: 'deny path-refused' }
  const identified = whoIs(person, portal, now)
  const request = requestOf(method, canonical, path, portal, person)
  const asThis: Generation = { ...generation, findPortal: () => portal, identify: () => identified }
  try {
    return told(await decide(request, asThis, now))
  } catch (error) {
    return { kind: 'deny', text: `deny ${error instanceof PosternError ? error.reason : 'internal'}` }
  }
}

const nobody: Identified = { outcome: { kind: 'absent' }, cookies: [] }

/** Where a person names no provider, the portal's first: so that one person can be asked about everywhere. */
function whoIs(person: Person, portal: Portal, now: number): Identified {
  const wanted = person.facts?.['provider']
  const provider = portal.providers.find(({ name, protocol }) => (wanted === undefined ? protocol !== 'LOCAL' : name === wanted))
  if (!person.facts || !provider) return nobody
  const identity = identityOf(person, provider.name, now)
  const outcome = { kind: 'identified', identity } as Identified['outcome']
  if (!provider.login) return { outcome, cookies: [] }
  const forever = Number.POSITIVE_INFINITY
  return {
    outcome,
    cookies: [],
    session: { id: '', audience: '', identity, createdAt: now, idleUntil: forever, endsAt: forever },
  }
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
