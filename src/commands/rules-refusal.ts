// What somebody has of a refusal -> the facts in it: an access log, the explanation of a request as JSON, or facts as JSON.
import type { Json } from '../types.ts'

type Values = Readonly<Record<string, Json>>
export interface Refused {
  readonly facts: Values
  readonly rule?: string
  readonly portal?: string
  /** ISO 8601. */
  readonly at?: string
  /** Nothing the rule could have read is left out. */
  readonly isWhole?: boolean
}

/** @param request the id of the one that is wanted; else the last. Undefined where there is none. */
export function refusalIn(text: string, request?: string): Refused | undefined {
  const whole = objectIn(text)
  if (whole && !('log' in whole))
    return request === undefined || idOf(whole) === request || !isExplanation(whole) ? fromObject(whole) : undefined
  const lines = text.split('\n').flatMap<Values>((line) => objectIn(line.slice(Math.max(line.indexOf('{'), 0))) ?? [])
  const wanted = lines.filter((line) => request === undefined || idOf(line) === request)
  const explained = wanted.filter(isExplanation).at(-1)
  if (explained) return fromObject(explained)
  const refused = wanted.filter((line) => line['log'] === 'access' && textAt(line, 'rule') !== undefined).at(-1)
  return refused && fromAccessLine(refused)
}

function objectIn(text: string): Values | undefined {
  try {
    const value = JSON.parse(text) as Json
    return isMap(value) ? value : undefined
  } catch {
    return undefined
  }
}

const isMap = (value: Json | undefined): value is Values => typeof value === 'object' && value !== null && !Array.isArray(value)
const mapAt = (from: Values, name: string): Values => (isMap(from[name]) ? from[name] : {})
const textAt = (from: Values, name: string): string | undefined => {
  const value = from[name]
  return typeof value === 'string' && value !== '' ? value : undefined
}

const isExplanation = (value: Values): boolean => Array.isArray(value['rules']) && 'decision' in value
const idOf = (value: Values): string | undefined => textAt(value, 'id') ?? textAt(mapAt(value, 'request'), 'id')

function fromObject(value: Values): Refused | undefined {
  if (isExplanation(value)) return fromExplanation(value)
  const rule = textAt(value, 'rule')
  return isMap(value['facts']) ? { facts: value['facts'], ...(rule === undefined ? {} : { rule }) } : { facts: value }
}

/** The facts of a rule in an explanation stand under their whole names: `request.path`. */
function fromExplanation(value: Values): Refused | undefined {
  const rules = (value['rules'] as readonly Json[]).filter(isMap)
  const decided = textAt(value, 'rule')
  // one behind it may refuse as well, and is not what turned this person away
  const rule = rules.find(
    ({ name, result }) => (result === 'refuses' || result === 'fails') && (decided === undefined || name === decided),
  )
  if (!rule) return undefined
  const facts: Record<string, Json> = {}
  for (const [path, fact] of Object.entries(mapAt(rule, 'facts'))) {
    const [, owner, member] = /^(claims|request)\.(.+)$/s.exec(path) ?? []
    if (owner === undefined || member === undefined) facts[path] = fact
    else facts[owner] = { ...mapAt(facts, owner), [member]: fact }
  }
  return {
    facts,
    isWhole: true,
    ...about(textAt(rule, 'name'), textAt(mapAt(value, 'portal'), 'name'), textAt(mapAt(value, 'request'), 'at')),
  }
}

/** No claim stands in a log. */
function fromAccessLine(line: Values): Refused {
  const [account, provider, portal] = [textAt(line, 'account'), textAt(line, 'provider'), textAt(line, 'portal')]
  const [method, path, at] = [textAt(line, 'method'), textAt(line, 'path'), textAt(line, 'time')]
  const facts = {
    account: account ?? null,
    ...(provider === undefined ? {} : { provider }),
    ...(portal === undefined ? {} : { portal }),
    client_ip: textAt(line, 'clientIp') ?? null,
    request: { ...(method === undefined ? {} : { method }), ...(path === undefined ? {} : { path }) },
    ...(at === undefined ? {} : { now: at }),
  }
  return { facts, ...about(textAt(line, 'rule'), portal, at) }
}

const about = (rule: string | undefined, portal: string | undefined, at: string | undefined) => ({
  ...(rule === undefined ? {} : { rule }),
  ...(portal === undefined ? {} : { portal }),
  ...(at === undefined ? {} : { at }),
})
