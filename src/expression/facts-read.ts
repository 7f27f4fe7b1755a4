// What an expression read, by name: for explanations.
import type { Facts, Json } from '../types.ts'
import type { Reads } from './reads.ts'

export interface FactsRead {
  /** `request.path`, `claims.hd`, `groups` -> value. */
  readonly facts: Readonly<Record<string, Json>>
  /** Names that are read and not there. */
  readonly missing: readonly string[]
}

/** Where an expression looks at the whole document, all of it. */
export function factsRead(reads: Reads, facts: Facts): FactsRead {
  const found: Record<string, Json> = {}
  const missing: string[] = []
  for (const path of namesOf(reads, facts)) {
    const value = path.reduce<Json | undefined>(memberOf, facts as Json)
    const name = path.join('.')
    if (value === undefined) missing.push(name)
    // not an assignment: a claim may be called __proto__
    else Object.defineProperty(found, name, { value, enumerable: true })
  }
  return { facts: found, missing }
}

function namesOf(reads: Reads, facts: Facts): readonly (readonly string[])[] {
  const request = [...reads.request].map((name) => ['request', name])
  const time = reads.time && !reads.everything ? [['now']] : []
  const named = reads.everything ? Object.keys(facts).filter((name) => name !== 'claims') : [...reads.facts]
  const plain = named.filter((name) => name !== 'request' && name !== 'claims').map((name) => [name])
  const inClaims = reads.facts.has('claims') ? [...reads.claims].filter((name) => !reads.facts.has(name)) : []
  const all = [...plain, ...inClaims.map((name) => ['claims', name]), ...request, ...time]
  const once = new Map(all.map((path) => [path.join('.'), path] as const))
  return [...once].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, path]) => path)
}

const memberOf = (value: Json | undefined, name: string): Json | undefined =>
  typeof value === 'object' && value !== null && Object.hasOwn(value, name)
    ? (value as Readonly<Record<string, Json>>)[name]
    : undefined
