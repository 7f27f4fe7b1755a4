// What an expression reads of the facts. An expression is given exactly this and nothing else, so what is missed here is a
// missing fact and refuses; it can never make a kept verdict outlive the facts it was made of.
import type { Facts, Json } from '../types.ts'
import { calledName, children, isPlainName, type Node, usesClock } from './ast.ts'

export interface Reads {
  /** The document as a whole: `$`, `$$`, `*`, `**`, `%`, `claims` as a whole, … */
  readonly everything: boolean
  /** Top-level names. */
  readonly facts: ReadonlySet<string>
  /** Names of claims, at top level or as `claims.NAME`. */
  readonly claims: ReadonlySet<string>
  /** Of `request`: method path query host. */
  readonly request: ReadonlySet<string>
  readonly clientAddress: boolean
  readonly time: boolean
}

/** The names that a claim can never shadow. */
export const reservedNames: ReadonlySet<string> = new Set([
  'claims',
  'account',
  'groups',
  'provider',
  'portal',
  'client_ip',
  'is_client_ip_private',
  'is_system',
  'auth',
  'request',
  'authenticated_at',
  'now',
  'acr',
  'profile',
])
const requestNames = ['method', 'path', 'query', 'host']
/** Functions that take the context, here the whole document, for an argument that is left out; and how many they want. */
const contextArity = new Map([
  ['string', 1],
  ['boolean', 1],
  ['not', 1],
  ['keys', 1],
  ['spread', 1],
  ['clone', 1],
  ['lookup', 2],
  ['each', 2],
  ['sift', 2],
])

class Collector {
  everything = false
  readonly facts = new Set<string>()
  readonly claims = new Set<string>()
  readonly request = new Set<string>()
  readonly #called = new WeakSet<Node>()

  /** @param atRoot names are looked up in the document, not in something found there */
  visit(node: Node, atRoot: boolean): void {
    if (node.type === 'path') return this.#path(node, atRoot)
    if (node.type === 'function' && node.procedure) this.#called.add(node.procedure)
    if (node.type === 'variable') this.#variable(String(node.value), atRoot)
    // under another name it is called where nobody counts its arguments
    if (node.type === 'variable' && contextArity.has(String(node.value)) && !this.#called.has(node)) this.everything = true
    // `<x-:x>`: a function of the rule's own that takes the context for an argument left out
    if (node.type === 'lambda' && node.signature !== undefined) this.everything = true
    if (node.type === 'parent' || node.type === 'transform' || node.focus !== undefined) this.everything = true
    if ((node.type === 'wildcard' || node.type === 'descendant') && atRoot) this.everything = true
    if (node.type === 'name' && atRoot) this.#name([node])
    this.#function(node, atRoot)
    for (const inner of stagesOf(node)) this.visit(inner, false)
    for (const inner of operandsOf(node)) this.visit(inner, atRoot)
  }

  #path(path: Node, atRoot: boolean): void {
    const [first, ...rest] = path.steps ?? []
    if (!first) return
    const isRoot = first.type === 'variable' && (first.value === '$' || (first.value === '' && atRoot))
    if (first.type === 'name' && atRoot) this.#name([first, ...rest])
    else if (isRoot && rest[0] && isPlainName(rest[0]) && stagesOf(first).length === 0) this.#name(rest)
    else this.visit(first, atRoot)
    for (const inner of stagesOf(first)) this.visit(inner, false)
    for (const step of rest) this.visit(step, false)
    for (const inner of stagesOf(path)) this.visit(inner, false)
    if ([first, ...rest].some((step) => step.focus !== undefined)) this.everything = true
  }

  #name([first, second]: readonly Node[]): void {
    if (!first) return
    const name = String(first.value)
    const member = second && isPlainName(first) && isPlainName(second) ? String(second.value) : undefined
    this.facts.add(name)
    if (name === 'claims' && member !== undefined) this.claims.add(member)
    else if (name === 'claims') this.everything = true
    else if (name === 'request') for (const part of member === undefined ? requestNames : [member]) this.request.add(part)
    else if (!reservedNames.has(name)) this.claims.add(name)
  }

  #variable(name: string, atRoot: boolean): void {
    if (name === '$' || (name === '' && atRoot)) this.everything = true
  }

  #function(node: Node, atRoot: boolean): void {
    const name = calledName(node)
    if (name === undefined || !atRoot) return
    if ((node.arguments?.length ?? 0) < (contextArity.get(name) ?? 0)) this.everything = true
  }
}

/** What is evaluated on the values a node gives, instead of on its own context. */
function stagesOf(node: Node): readonly Node[] {
  const filters = [...(node.stages ?? []), ...(node.predicate ?? [])].flatMap(({ expr }) => expr ?? [])
  return [...filters, ...(node.group?.lhs.flat() ?? [])]
}

/** The rest. */
function operandsOf(node: Node): readonly Node[] {
  const { stages: _stages, predicate: _predicate, group: _group, ...own } = node
  return children(own)
}

/** Of a tree as it was parsed. */
export function readsOf(root: Node): Reads {
  const collector = new Collector()
  collector.visit(root, true)
  const { everything, facts, claims, request } = collector
  if (everything) return { ...wholeDocument, facts, claims }
  const clientAddress = facts.has('client_ip') || facts.has('is_client_ip_private')
  return { everything, facts, claims, request, clientAddress, time: facts.has('now') || usesClock(root) }
}

const wholeDocument: Reads = {
  everything: true,
  facts: new Set(),
  claims: new Set(),
  request: new Set(requestNames),
  clientAddress: true,
  time: true,
}

export function joinReads(all: readonly Reads[]): Reads {
  const union = (of: (reads: Reads) => ReadonlySet<string>) => new Set(all.flatMap((reads) => [...of(reads)]))
  return {
    everything: all.some((reads) => reads.everything),
    facts: union((reads) => reads.facts),
    claims: union((reads) => reads.claims),
    request: union((reads) => reads.request),
    clientAddress: all.some((reads) => reads.clientAddress),
    time: all.some((reads) => reads.time),
  }
}

/** Nothing of the request, no client address, no time: the verdict can be kept as long as the identity. */
export function readsOnlyIdentity(reads: Reads): boolean {
  return !reads.everything && reads.request.size === 0 && !reads.clientAddress && !reads.time
}

/** The part of the facts that an expression with these reads sees. */
export function pick(reads: Reads, facts: Facts): Facts {
  if (reads.everything) return facts
  const picked: Record<string, Json> = Object.create(null)
  for (const name of [...reads.facts].sort()) {
    const value = Object.hasOwn(facts, name) ? facts[name] : undefined
    if (value === undefined) continue
    picked[name] = name === 'claims' ? members(value, reads.claims) : name === 'request' ? members(value, reads.request) : value
  }
  return picked
}

function members(value: Json, names: ReadonlySet<string>): Json {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return value
  const from = value as Readonly<Record<string, Json>>
  const picked: Record<string, Json> = Object.create(null)
  for (const name of [...names].sort()) if (Object.hasOwn(from, name)) picked[name] = from[name] as Json
  return picked
}

/**
 * The values an expression with these reads would see, as a key for a kept verdict. Time counts in whole seconds, and only
 * where `time` is set. A missing fact and null give different keys.
 */
export function readsKey(reads: Reads, facts: Facts): string {
  const { now, ...rest } = pick(reads, facts)
  const second = reads.time ? Math.floor(Number(facts['now'] ?? now ?? 0) / 1000) : null
  return JSON.stringify([second, rest])
}
