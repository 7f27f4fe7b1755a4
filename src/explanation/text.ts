// An explanation for people at a terminal. What others wrote cannot move the cursor.
import type { ExplainedRule, Json } from '../types.ts'
import type { Explanation } from './explanation.ts'

/** Lines of plain text. */
export function textOf(explanation: Explanation): readonly string[] {
  const { request, notes } = explanation
  const lines = [
    `${request.method} ${request.path}: ${headlineOf(explanation)}`,
    ...factsOf(explanation).map(([name, text]) => `  ${name.padEnd(9)} ${text}`),
    ...rulesOf(explanation),
    ...headersOf(explanation),
    ...notes.map((note) => `note: ${note}`),
  ]
  return lines.map(printable)
}

const printable = (line: string): string => line.toWellFormed().replace(/[\u0000-\u001f\u007f-\u009f\u2028\u2029]/g, '?')

export const headlineOf = ({ decision, reason, status }: Explanation): string =>
  `${decision.toUpperCase()} (${reason}${status === undefined ? '' : `, ${status}`})`

/** Name and text, one pair a line. */
export function factsOf(explanation: Explanation): readonly (readonly [name: string, text: string])[] {
  const { why, message, request, portal, route, person, freshness, condition, secondFactors } = explanation
  const demands = freshness && [
    ...(freshness.reauthenticate === undefined ? [] : [`a sign-in within ${freshness.reauthenticate}`]),
    ...(freshness.acr === undefined ? [] : [`acr ${freshness.acr}`]),
    ...(freshness.providers === undefined ? [] : [`a sign-in by ${freshness.providers.join(' or ')}`]),
  ]
  const holds = freshness?.holds === undefined ? 'not asked' : freshness.holds ? 'holds' : 'does not hold'
  return [
    ['why', why],
    ...(message === undefined ? [] : [['told', message] as const]),
    ...(portal
      ? [['portal', `${portal.name}, ${portal.publicUrl}${portal.mode === 'warn' ? ', only warns' : ''}`] as const]
      : []),
    ...(route
      ? [
          [
            'route',
            `${route.path || '(no route matches)'}, ${route.access}${route.methods ? `, ${route.methods.join(' ')}` : ''}`,
          ] as const,
        ]
      : []),
    ['person', person ? personText(person) : 'nobody'],
    ['when', `${request.at}, from ${request.clientIp ?? 'an unknown address'}`],
    ...(request.id === undefined ? [] : [['request', request.id] as const]),
    ...(demands ? [['demands', `${demands.join(', ')}: ${holds}`] as const] : []),
    ...(condition
      ? [['condition', `${condition.provider} ${condition.holds ? 'may' : 'may not'} be used for this request`] as const]
      : []),
    ...secondFactors.map(
      ({ provider, needed }) => ['factor', `${provider} ${needed ? 'is needed beside it' : 'is not needed'}`] as const,
    ),
  ]
}

const personText = ({ account, provider, groups, authenticatedAt, acr }: NonNullable<Explanation['person']>): string =>
  `${account} of ${provider}, groups ${groups.length === 0 ? 'none' : groups.join(', ')}, signed in ${authenticatedAt}${acr === undefined ? '' : `, acr ${acr}`}`

function rulesOf({ rules }: Explanation): readonly string[] {
  if (rules.length === 0) return ['', 'no rules']
  return ['', 'rules, each must give true', ...rules.flatMap((rule) => ruleLines(rule))]
}

function ruleLines(rule: ExplainedRule): readonly string[] {
  const line = (name: string, text: string) => `         ${name.padEnd(9)} ${text}`
  return [
    `  ${signs[rule.result]}  ${rule.name}  (${rule.of}${placeOf(rule)})`,
    ...(rule.result === 'not asked' ? [] : [line('gives', rule.result === 'fails' ? 'an error' : shown(rule.value))]),
    ...(rule.detail === undefined ? [] : [line('because', rule.detail)]),
    ...decidersOf(rule).map((text) => line('decided', text)),
    ...Object.entries(rule.facts).map(([name, value]) => line('read', `${name} = ${shown(value)}`)),
    ...(rule.missing.length === 0 ? [] : [line('missing', rule.missing.join(', '))]),
    ...(rule.message === undefined || rule.result !== 'refuses' ? [] : [line('tells', rule.message)]),
  ]
}

const signs = { allows: 'ok  ', refuses: 'NO  ', fails: 'FAIL', 'not asked': '-   ' } as const

export const placeOf = ({ file, line }: ExplainedRule): string => (file === undefined ? '' : `, ${file}:${line ?? 1}`)

/** `hd = "company.com"  gives false  (line 3)`. */
export const decidersOf = ({ decidedBy }: ExplainedRule): readonly string[] =>
  decidedBy.map(({ source, line, value, error }) => {
    const gives = error === undefined ? `gives ${shown(value)}` : `fails: ${error}`
    return `${source.replace(/\s+/g, ' ')}  ${gives}${line === undefined ? '' : `  (line ${line})`}`
  })

/** Long values are cut: the whole is in the JSON. */
export function shown(value: Json | undefined): string {
  const text = value === undefined ? 'nothing' : JSON.stringify(value)
  return text.length <= 300 ? text : `${text.slice(0, 299)}…`
}

function headersOf({ headers, decision }: Explanation): readonly string[] {
  if (decision !== 'allow') return ['', 'the portal gets nothing']
  if (headers.length === 0) return ['', 'no headers for the portal']
  return ['', 'headers for the portal', ...headers.map(({ name, value }) => `  ${name}: ${value}`)]
}
