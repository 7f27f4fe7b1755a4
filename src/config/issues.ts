// zod's issues in our words. Their own messages never show a value, and neither do these.
import type { z } from 'zod'
import { isLoopbackHost } from '../addresses.ts'
import { nearest } from './did-you-mean.ts'
import { knownKeys, meaningOf } from './known-keys.ts'
import type { Path } from './positions.ts'
import type { Finding } from './problems.ts'
import type { Reading } from './reading.ts'
import { schemeMissing } from './schema/values.ts'
import { isTree, valueAt } from './tree.ts'

export type Issue = z.core.$ZodIssue

/** Issues inside the shape that was meant: of "text or object", the object's where an object is written. */
export function flattened(issues: readonly Issue[], tree: unknown, above: Path = []): readonly Issue[] {
  return issues.flatMap((issue) => {
    const path = [...above, ...(issue.path as Path)]
    const own = { ...issue, path: [...path] } as Issue
    if (issue.code !== 'invalid_union' || !isTree(valueAt(tree, path))) return [own]
    const inside = issue.errors.find(
      (errors) => errors.length > 0 && !errors.some((error) => error.code === 'invalid_type' && error.path.length === 0),
    )
    return inside ? flattened(inside, tree, path) : [own]
  })
}

/** What to tell about one issue: several where several keys are unknown. */
export function findingsOf(issue: Issue, tree: unknown, reading: Reading): readonly Finding[] {
  const path = issue.path as Path
  if (issue.code === 'unrecognized_keys') return issue.keys.map((key) => unknownKey(path, key, tree))
  const [message, advice] =
    valueAt(tree, path) === undefined
      ? missing(issue, path, tree)
      : sentence(issue, valueAt(tree, path), reading.isFromReference(path))
  return [{ severity: 'error', path, message, advice, atKey: issue.code === 'invalid_key' }]
}

function unknownKey(path: Path, key: string, tree: unknown): Finding {
  const known = knownKeys(path, tree)
  const meant = nearest(key, known)
  const advice = meant ? `did you mean ${meant}?` : known.length > 0 ? `known here: ${known.join(', ')}` : 'take it away'
  return { severity: 'error', path: [...path, key], message: 'unknown key', advice, atKey: true }
}

type Sentence = readonly [message: string, advice: string]

function sentence(issue: Issue, value: unknown, isSecret: boolean): Sentence {
  if (issue.code === 'invalid_key') return ours(issue.issues[0]?.message) ?? ['is not a possible key', 'write a plain word']
  if (issue.code === 'invalid_union' && 'discriminator' in issue) return protocolSentence(value)
  const own = ours(issue.message)
  if (value === null) return ['is empty', own?.[0] === 'is missing' ? own[1] : 'write a value, or take the key away']
  if (own?.[0] === schemeMissing && !isSecret) return [own[0], withScheme(String(value), issue.path.at(-1)) ?? own[1]]
  return own ?? (issue.code === 'invalid_value' ? choice(issue.values, value, isSecret) : wrongType(issue))
}

/** The person's own words, unless they hold more than an address. */
function withScheme(value: string, key: PropertyKey | undefined): string | undefined {
  const url = URL.parse(`http://${value}`)
  if (!url || value.length > 100 || /[@?#]/.test(value)) return undefined
  const isPlain = key === 'upstream' || key === 'egressProxy' || isLoopbackHost(url.hostname)
  return `write ${isPlain ? 'http' : 'https'}://${value}`
}

/** Messages of the schema's own: `what is wrong → what to write`. */
function ours(message: string | undefined): Sentence | undefined {
  const at = message?.indexOf(' → ') ?? -1
  return message === undefined || at < 0 ? undefined : [message.slice(0, at), message.slice(at + 3)]
}

function missing(issue: Issue, path: Path, tree: unknown): Sentence {
  if (issue.code === 'invalid_union' && 'discriminator' in issue)
    return ['is missing', 'write protocol: OIDC, OAUTH2, WEBSEAL or LOCAL']
  const own = ours(issue.message)
  const meaning = meaningOf(path, tree)
  return ['is missing', own ? own[1] : meaning ? `add it: ${meaning}` : 'add it']
}

const protocols = ['OIDC', 'OAUTH2', 'WEBSEAL', 'LOCAL']
function protocolSentence(value: unknown): Sentence {
  const meant = typeof value === 'string' ? nearest(value, protocols) : undefined
  return ['is no protocol', meant ? `did you mean ${meant}?` : `write ${protocols.join(' or ')}`]
}

function choice(values: readonly unknown[], value: unknown, isSecret: boolean): Sentence {
  const words = values.map(String)
  const meant = typeof value === 'string' && !isSecret ? nearest(value, words) : undefined
  return [
    `is not ${words.length === 1 ? '' : 'one of '}${words.join(', ')}`,
    meant ? `did you mean ${meant}?` : `write ${words.join(' or ')}`,
  ]
}

const types: Readonly<Record<string, Sentence>> = {
  string: ['must be text', 'write text; put numbers, true and false into quotes'],
  object: ['must hold keys', 'write KEY: VALUE lines below it, or { KEY: VALUE }'],
  record: ['must hold keys', 'write KEY: VALUE lines below it, or { KEY: VALUE }'],
  array: ['must be a list', 'write [a, b], or one - line for each'],
  boolean: ['must be true or false', 'write true or false'],
  number: ['must be a number', 'write a number'],
}
function wrongType(issue: Issue): Sentence {
  const known = issue.code === 'invalid_type' ? types[issue.expected] : undefined
  return known ?? ['has a value that cannot be used', 'see docs/reference.md']
}
