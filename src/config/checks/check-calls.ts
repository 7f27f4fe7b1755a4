// Calls to other services: their holes, and that where they go is written out. Whoever signs in may choose a path, never a host.
import { isLoopbackHost } from '../../addresses.ts'
import { compileExpression, type Expression } from '../../expression/compile.ts'
import { ExpressionError } from '../../expression/errors.ts'
import { parseTemplate, type TemplatePart } from '../../expression/template.ts'
import { compiled, compiledAt, locateIn } from '../expression-check.ts'
import type { Path, Place } from '../positions.ts'
import type { Reading } from '../reading.ts'
import { parseUrl } from '../schema/values.ts'

/** As the schema gives it. */
export interface CallToCheck {
  readonly url: string
  readonly method: string
  readonly headers: Readonly<Record<string, string>>
  readonly body?: string
}

/** @param knowsToken `token.access` may be sent */
export function checkCall(call: CallToCheck, path: Path, knowsToken: boolean, reading: Reading): void {
  const url = checkTemplate(call.url, [...path, 'url'], reading)
  if (url) checkAddress(url.parts, [...path, 'url'], call.url, reading)
  refuseTwiceNamed(Object.keys(call.headers), [...path, 'headers'], reading)
  const headers = Object.entries(call.headers).map(([name, value]) => checkTemplate(value, [...path, 'headers', name], reading))
  const body = call.body === undefined ? undefined : checkBody(call.body, [...path, 'body'], reading)
  if (call.method === 'GET' && call.body !== undefined && !reading.problems.isSettled([...path, 'method']))
    reading.problems.error([...path, 'method'], 'is GET, which carries no body', 'write POST, or take the body away')
  const all = [...(url?.holes ?? []), ...headers.flatMap((header) => header?.holes ?? []), ...(body ? [body] : [])]
  if (!knowsToken) for (const hole of all) refuseToken(hole, reading)
  else if (all.some(readsToken) && url) refuseInTheClear(url.parts, [...path, 'url'], reading)
}

function refuseTwiceNamed(names: readonly string[], path: Path, { problems }: Reading): void {
  const isSecond = (name: string, index: number): boolean =>
    names.slice(0, index).some((earlier) => earlier.toLowerCase() === name.toLowerCase())
  for (const name of names.filter(isSecond))
    problems.error([...path, name], 'is named above in another spelling', 'upper and lower case are the same here: take one away')
}

/** An expression of the configuration and where it was found. */
export interface Placed {
  readonly expression: Expression
  readonly path: Path
  readonly place: Place
}
const readsToken = ({ expression }: Placed): boolean => expression.reads.facts.has('token')

/** Only a post-login action holds the token, so that it cannot reach a portal, a session or a log. */
export function refuseToken(found: Placed, { problems }: Reading): void {
  if (readsToken(found))
    problems.error(
      found.path,
      'reads token, which is known inside the call of a post-login action only',
      'ask with postLogin and set what is needed; a claim of that name is claims.token',
      found.place,
    )
}

function refuseInTheClear(parts: readonly TemplatePart[], path: Path, { problems }: Reading): void {
  const url = originOf(parts)
  if (url?.protocol === 'http:' && !isLoopbackHost(url.hostname))
    problems.error(
      path,
      "sends the person's token over plain http",
      'write https (http is accepted on localhost only), or take token.access out of the call',
    )
}

interface Template {
  readonly parts: readonly TemplatePart[]
  readonly holes: readonly Placed[]
}
function checkTemplate(template: string, path: Path, reading: Reading): Template | undefined {
  if (reading.problems.isSettled(path)) return undefined
  // a reference has changed where everything stands
  const inText = locateIn(path, template, reading)
  const locate = (offset: number): Place =>
    reading.isFromReference(path) ? reading.problems.positions.locate(path) : inText(offset)
  try {
    const parts = parseTemplate(template)
    const holes = parts.flatMap((part) => (part.kind === 'hole' ? hole(part, path, locate, reading) : []))
    return { parts, holes }
  } catch (error) {
    if (!(error instanceof ExpressionError)) throw error
    reading.problems.error(path, error.message, error.advice, locate(error.offset))
    return undefined
  }
}

function hole(
  { source, offset }: { readonly source: string; readonly offset: number },
  path: Path,
  locate: (offset: number) => Place,
  reading: Reading,
): readonly Placed[] {
  const expression = compiled(source, 'value', path, (at) => locate(offset + at), reading)
  return expression ? [{ expression, path, place: locate(offset) }] : []
}

function checkBody(body: string, path: Path, reading: Reading): Placed | undefined {
  const expression = reading.isFromReference(path) ? unquoted(body, path, reading) : compiledAt(body, 'value', path, reading)
  return expression && { expression, path, place: reading.problems.positions.locate(path) }
}

/** A complaint of the expression itself could quote what came out of a reference. */
function unquoted(body: string, path: Path, { problems }: Reading): Expression | undefined {
  try {
    return problems.isSettled(path) ? undefined : compileExpression(body, 'value')
  } catch (error) {
    if (!(error instanceof ExpressionError)) throw error
    problems.error(path, 'is an expression that cannot be read', 'check it once with a text in place of the reference')
    return undefined
  }
}

function checkAddress(parts: readonly TemplatePart[], path: Path, url: string, reading: Reading): void {
  const { problems } = reading
  if (reading.withoutSecrets && reading.isFromReference(path)) return
  const [first, ...rest] = parts
  const start = first?.kind === 'text' ? first.text : ''
  const origin = /^https?:\/\/([^/?#]*)/i.exec(start)
  const isOpen = rest.length > 0 && (/^[a-z]*:?\/{0,2}$/i.test(start) || origin?.[0] === start)
  if (isOpen) {
    const offset = offsetOfHole(parts)
    const place = reading.isFromReference(path) ? problems.positions.locate(path) : locateIn(path, url, reading)(offset)
    problems.error(path, 'takes its scheme or host from a hole', 'write both out: https://api.company.com/{claims.sub}', place)
  } else for (const [message, advice] of troubleOf(parts, start, origin).slice(0, 1)) problems.error(path, message, advice)
}

/** Most telling first. */
function troubleOf(parts: readonly TemplatePart[], start: string, origin: RegExpExecArray | null): readonly [string, string][] {
  const literal = parts.map((part) => (part.kind === 'text' ? part.text : 'x')).join('')
  const trouble: readonly (readonly [isSo: boolean, message: string, advice: string])[] = [
    [origin?.[1]?.includes('@') ?? false, 'holds a user name or password', 'send it as a header: authorization: Basic ${file:…}'],
    [
      origin === null || parseUrl(literal.replace(/#.*$/s, '').replace(/[{}]/g, 'x')) === undefined,
      'is no http or https URL',
      'write for example https://api.company.com/people/{claims.sub}',
    ],
    [
      start[origin?.[0].length ?? 0] === '?',
      'has no / between its host and ?',
      'write https://api.company.com/?name={claims.sub}',
    ],
    [literal.includes('#'), 'has a part from # on, which is never sent', 'take that part away'],
    [
      parts.some((part) => part.kind === 'text' && /[{}]/.test(part.text)),
      'holds a brace that is no hole',
      'write {EXPRESSION} in single braces, or %7B and %7D for braces',
    ],
  ]
  return trouble.flatMap(([isSo, message, advice]): [string, string][] => (isSo ? [[message, advice]] : []))
}

const offsetOfHole = (parts: readonly TemplatePart[]): number => {
  const found = parts.find((part) => part.kind === 'hole')
  return found?.kind === 'hole' ? found.offset : 0
}

const originOf = (parts: readonly TemplatePart[]): URL | undefined => {
  const [first] = parts
  const origin = first?.kind === 'text' ? /^https?:\/\/[^/?#]+/i.exec(first.text)?.[0] : undefined
  return origin === undefined ? undefined : (URL.parse(origin) ?? undefined)
}
