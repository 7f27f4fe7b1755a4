// `people.yaml`: who the matrix asks about, and for what. The names of facts are those of the cases.
import { LineCounter, parseDocument } from 'yaml'
import type { Problem } from '../errors.ts'
import { reservedNames } from '../expression/reads.ts'
import type { Identity, Instant, Json } from '../types.ts'

type Values = Readonly<Record<string, Json>>
export interface Person {
  readonly name: string
  /** Absent: nobody is signed in. */
  readonly facts?: Values
}
export interface Asked {
  readonly method: string
  readonly path: string
}
export interface People {
  readonly people: readonly Person[]
  /** Beside one example of each route. */
  readonly requests: readonly Asked[]
  readonly problems: readonly Problem[]
}

/** What a request brings, or nothing that signs people in here: a person in the matrix cannot have it. */
const notOurs = new Set(['portal', 'request', 'now', 'is_client_ip_private', 'is_system', 'auth'])
const advice = 'write people: [{ name: Ann, facts: { hd: company.com } }, { name: nobody }]'

export function readPeople(text: string, file: string): People {
  const lines = new LineCounter()
  const document = parseDocument(text, { lineCounter: lines })
  const problems: Problem[] = []
  const complain = (path: readonly (string | number)[], message: string, what: string) => {
    const node = path.length === 0 ? document.contents : document.getIn(path, true)
    const { line, col } = lines.linePos((node as { range?: readonly number[] } | undefined)?.range?.[0] ?? 0)
    const key = path.map((part) => (typeof part === 'number' ? `[${part}]` : part)).join('.')
    problems.push({ severity: 'error', file, line: Math.max(line, 1), column: Math.max(col, 1), key, message, advice: what })
  }
  const broken = document.errors[0]
  const whole = broken ? undefined : (document.toJS() as Json)
  if (broken) complain([], 'this is no valid YAML', broken.message.split('\n')[0] ?? '')
  const list = Array.isArray(whole) ? (whole as readonly Json[]) : isMap(whole) ? whole['people'] : undefined
  const start = Array.isArray(whole) ? [] : ['people']
  if (!broken && (!Array.isArray(list) || list.length === 0)) complain([], 'there are no people', advice)
  const people = (Array.isArray(list) ? (list as readonly Json[]) : []).flatMap((one, index) =>
    personIn(one, (path, ...words) => complain([...start, index, ...path], ...words)),
  )
  const wanted = isMap(whole) ? (whole['requests'] ?? []) : []
  const requests = (Array.isArray(wanted) ? (wanted as readonly Json[]) : [wanted]).flatMap((one, index) => {
    const asked = requestIn(one)
    if (!asked) complain(['requests', index], 'is no request', 'write "/path" or "POST /path"')
    return asked ?? []
  })
  return { people, requests, problems }
}

const isMap = (value: Json | undefined): value is Values => typeof value === 'object' && value !== null && !Array.isArray(value)

function personIn(one: Json, complain: (path: readonly string[], message: string, what: string) => void): readonly Person[] {
  if (!isMap(one) || typeof one['name'] !== 'string' || one['name'] === '') {
    complain([], 'a person needs a name', advice)
    return []
  }
  const { name, facts } = one
  for (const key of Object.keys(one))
    if (key !== 'name' && key !== 'facts') complain([key], 'this key is not known', 'a person has name and facts')
  if (facts === undefined) return [{ name }]
  if (!isMap(facts)) {
    complain(['facts'], 'the facts are a map', advice)
    return []
  }
  for (const key of Object.keys(facts))
    if (notOurs.has(key)) complain(['facts', key], 'is not the person’s: it comes with the request', 'leave it out')
  return [{ name, facts }]
}

function requestIn(one: Json): Asked | undefined {
  const [, method = 'GET', path] = (typeof one === 'string' && /^(?:([A-Z]+) )?(\/\S*)$/.exec(one)) || []
  return path === undefined ? undefined : { method, path }
}

/** As a provider would say it. The account is the fact, else the address, else the name. */
export function identityOf({ name, facts = {} }: Person, provider: string, now: Instant): Identity {
  const text = (value: Json | undefined) => (typeof value === 'string' && value !== '' ? value : undefined)
  const own = Object.fromEntries(Object.entries(facts).filter(([key]) => !reservedNames.has(key)))
  const claims = { ...own, ...(isMap(facts['claims']) ? facts['claims'] : {}) }
  const groups = typeof facts['groups'] === 'string' ? [facts['groups']] : Array.isArray(facts['groups']) ? facts['groups'] : []
  const at = facts['authenticated_at']
  const since = typeof at === 'string' ? Date.parse(at) : at
  const acr = text(facts['acr'])
  const profile = isMap(facts['profile']) ? facts['profile'] : undefined
  return {
    provider,
    issuer: `matrix:${provider}`,
    subject: name,
    account: text(facts['account']) ?? text(claims['email']) ?? name,
    groups: groups.filter((group) => typeof group === 'string'),
    claims,
    authenticatedAt: typeof since === 'number' && Number.isFinite(since) ? since : now,
    ...(acr === undefined ? {} : { assurance: acr }),
    ...(profile ? { profile: { name: text(profile['name']) ?? '', attributes: profile } } : {}),
  }
}
