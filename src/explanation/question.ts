// What somebody asks, out of texts: of the command line, or of a query of the admin listener.
import { parse } from 'yaml'
import { canonicalAddress } from '../addresses.ts'
import { timeTrouble } from '../facts.ts'
import type { Instant, Json } from '../types.ts'
import { WrongQuestion } from './explanation.ts'

export interface Question {
  readonly portal: string
  /** With its query, as a browser would send it. */
  readonly path: string
  readonly method: string
  readonly provider?: string
  /** Absent: nobody. */
  readonly claims?: Readonly<Record<string, Json>>
  readonly clientIp: string | null
  readonly at: Instant
}
export interface Asked {
  readonly portal: string
  readonly path: string
  readonly method?: string | undefined
  readonly provider?: string | undefined
  /** JSON or YAML. */
  readonly claims?: string | undefined
  readonly clientIp?: string | undefined
  readonly at?: string | undefined
}

/** Throws WrongQuestion. */
export function questionOf(asked: Asked, now: Instant): Question {
  const { portal, path, provider, claims } = asked
  if (!path.startsWith('/')) throw new WrongQuestion('a path begins with /  → write for example --path /inbox')
  if (/[^\x21-\x7e]/.test(path)) throw new WrongQuestion('a path holds no blanks and only ASCII  → percent-encode it')
  if (provider !== undefined && claims === undefined)
    throw new WrongQuestion('a provider without claims says nothing  → add --claims FILE, or leave --provider out for nobody')
  return {
    portal,
    path,
    method: methodOf(asked.method ?? 'GET'),
    ...(provider === undefined ? {} : { provider }),
    ...(claims === undefined ? {} : { claims: claimsOf(claims) }),
    clientIp: asked.clientIp === undefined ? null : addressOf(asked.clientIp),
    at: asked.at === undefined ? now : instantOf(asked.at),
  }
}

function methodOf(text: string): string {
  if (/^[A-Za-z]{1,20}$/.test(text)) return text.toUpperCase()
  throw new WrongQuestion('this is no method  → write for example GET or POST')
}

function addressOf(text: string): string {
  const address = canonicalAddress(text)
  if (address === undefined) throw new WrongQuestion('this is no client address  → write for example 203.0.113.7')
  return address
}

function instantOf(text: string): Instant {
  const instant = /^\d{4}-/.test(text) && !timeTrouble({ now: text }) ? Date.parse(text) : Number.NaN
  if (Number.isNaN(instant)) throw new WrongQuestion('this is no time  → write for example 2026-11-02T09:00:00Z')
  return instant
}

/** Never repeats what it could not read: it may be a token. */
function claimsOf(text: string): Readonly<Record<string, Json>> {
  const advice = 'write a map of claims in JSON or YAML, as the provider would assert them: { "email": "ann@company.com" }'
  let read: unknown
  try {
    read = JSON.parse(JSON.stringify(parse(text, { maxAliasCount: 0, schema: 'core' })) ?? 'null')
  } catch {
    throw new WrongQuestion(`the claims are neither JSON nor YAML  → ${advice}`)
  }
  if (typeof read !== 'object' || read === null || Array.isArray(read))
    throw new WrongQuestion(`the claims are no map  → ${advice}`)
  return read as Readonly<Record<string, Json>>
}
