// Owns a call of ours to another service, as the configuration writes it: its address, headers and body filled in, sent once, its
// answer read. Must not know why it is made, nor what the answer means. No value that was filled in leaves here in a message.
import { type Dispatcher, fetch } from 'undici'
import { compileExpression, EvaluationError, type Expression, joinReads, type Reads } from '../../expression/compile.ts'
import { parseTemplate } from '../../expression/template.ts'
import type { Facts, Json } from '../../types.ts'
import { dispatcherOf, readCapped } from '../providers/oidc-fetch.ts'

export interface CallOptions {
  /** Text with `{EXPRESSION}` holes. Scheme and host are written out: they are the only place the call ever goes to. */
  readonly url: string
  readonly method: string
  /** Texts with holes. */
  readonly headers: Readonly<Record<string, string>>
  /** One expression: sent as JSON, or as it is where it yields text. */
  readonly body?: string
  readonly egressProxy?: string
  /** Comma-separated, as in NO_PROXY. */
  readonly noProxy?: string
}
/** A call filled in for one person. Secret: it may hold their token. */
export interface FilledCall {
  readonly url: string
  readonly method: string
  readonly headers: Readonly<Record<string, string>>
  readonly body?: string
}
export interface CallAnswer {
  readonly status: number
  /** JSON where it is some, else text; undefined where there is none. */
  readonly body: Json | undefined
}
export interface OutboundCall {
  /** Scheme and host: what a log may say of it. */
  readonly origin: string
  readonly reads: Reads
  /** Throws CallError where something to be filled in is missing or cannot stand there. */
  fill(facts: Facts): Promise<FilledCall>
  /** Follows no redirect. Throws CallError where there is no answer, or one too large. */
  send(call: FilledCall, signal: AbortSignal): Promise<CallAnswer>
  close(): Promise<void>
}

/** The call could not be made or got no answer. The message holds no value of the call's. */
export class CallError extends Error {
  override readonly name = 'CallError'
  /** Worth another attempt: nothing is wrong with the call itself. */
  readonly isPassing: boolean
  constructor(message: string, isPassing: boolean) {
    super(message)
    this.isPassing = isPassing
  }
}

/** Throws TypeError or ExpressionError where the options cannot be used. */
export function createOutboundCall(options: CallOptions): OutboundCall {
  const url = compileUrl(options.url)
  const headers = Object.entries(options.headers).map(
    ([name, text]) => [name.toLowerCase(), compileTemplate(text, `the header ${name}`)] as const,
  )
  const body = options.body === undefined ? undefined : compileExpression(options.body, 'value')
  const dispatcher = dispatcherOf(options)
  const templates = [url.template, ...headers.map(([, template]) => template)]
  const expressions = [...templates.flatMap(({ holes }) => holes), ...(body ? [body] : [])]
  return {
    origin: url.origin,
    reads: joinReads(expressions.map(({ reads }) => reads)),
    fill: async (facts) => {
      const filled = await Promise.all(
        headers.map(async ([name, template]) => [name, headerText(await template.fill(facts), `the header ${name}`)] as const),
      )
      const content = body && contentOf(await valueIn(body, facts, 'the body'))
      return {
        url: await url.fill(facts),
        method: options.method,
        headers: { accept: 'application/json', ...content?.headers, ...Object.fromEntries(filled) },
        ...(content === undefined ? {} : { body: content.body }),
      }
    },
    send: (call, signal) => send(call, url.origin, dispatcher, signal),
    close: () => dispatcher.close(),
  }
}

async function send(
  { url, ...call }: FilledCall,
  origin: string,
  dispatcher: Dispatcher,
  signal: AbortSignal,
): Promise<CallAnswer> {
  try {
    const answer = await fetch(url, { ...call, redirect: 'manual', dispatcher, signal })
    return { status: answer.status, body: bodyOf(await readCapped(answer.body)) }
  } catch (error) {
    throw new CallError(`${origin}: ${causeOf(error)}`, true)
  }
}

/** ECONNREFUSED, CERT_HAS_EXPIRED, …: a code only. What a library says of a header or an address may hold what stands in it. */
function causeOf(error: unknown): string {
  if (!(error instanceof Error)) return 'no answer'
  if (error.name === 'TimeoutError') return 'no answer in time'
  const { code } = (error.cause ?? {}) as { code?: unknown }
  return typeof code === 'string' ? code : 'no answer, or one over 1 MiB'
}

function bodyOf(bytes: Buffer): Json | undefined {
  const text = bytes.toString('utf8')
  if (text.trim() === '') return undefined
  try {
    return JSON.parse(text) as Json
  } catch {
    return text
  }
}

interface Template {
  readonly holes: readonly Expression[]
  /** Throws CallError. `write` says how a value stands in the whole; `before` is what stands there as plain text before it. */
  fill(facts: Facts, write?: (value: string, before: string) => string): Promise<string>
}
function compileTemplate(text: string, where: string): Template {
  let before = ''
  const parts = parseTemplate(text).map((part) => {
    if (part.kind === 'hole') return { before, hole: compileExpression(part.source, 'value') }
    before += part.text
    return { before, text: part.text }
  })
  return {
    holes: parts.flatMap(({ hole }) => hole ?? []),
    fill: async (facts, write = (value) => value) => {
      const texts = parts.map(async (part) =>
        part.hole === undefined ? part.text : write(textOf(await valueIn(part.hole, facts, where), where), part.before),
      )
      return (await Promise.all(texts)).join('')
    },
  }
}

/** Scheme, host and the slash after it are plain text, so that nothing a person asserts can say where a call goes. */
function compileUrl(text: string): { origin: string; template: Template; fill: (facts: Facts) => Promise<string> } {
  const [first, ...more] = parseTemplate(text)
  const plain = first?.kind === 'text' ? first.text : ''
  const start = /^https?:\/\/[^/?#\\@\s]+(?=\/|$)/i.exec(plain)?.[0]
  // with a hole right behind it the host would go on
  if (start === undefined || (start === plain && more.length > 0) || !URL.canParse(start))
    throw new TypeError('the url of a call begins with a scheme, a host and a slash that are written out')
  // a URL parser makes slashes of backslashes and takes blanks out: the path would be another one than the one that is looked at
  if (parseTemplate(text).some((part) => part.kind === 'text' && /[\s\\\u0000-\u001f]/.test(part.text)))
    throw new TypeError('the url of a call holds a backslash or a blank')
  const { origin } = new URL(start)
  const template = compileTemplate(text, 'the url')
  return { origin, template, fill: async (facts) => safeUrl(await template.fill(facts, encoded), start, origin) }
}

function safeUrl(text: string, start: string, origin: string): string {
  const path = text.slice(start.length).replace(/[?#].*$/s, '')
  // a URL parser takes %2e%2e for a way up too; a server may take %2F for a slash, and what follows ; for no part of the name
  if (path.split(/\/|%2f|%5c/i).some((segment) => /^(\.|%2e){1,2}(;|%3b|$)/i.test(segment)))
    throw new CallError('the url: a segment of the path is . or ..', false)
  if (!URL.canParse(text) || new URL(text).origin !== origin) throw new CallError('the url: no address comes of it', false)
  return text
}

const controls = /[\u0000-\u001f\u007f]/

/** Nothing at all would be another place of the path: of everybody instead of one. */
function encoded(value: string, before: string): string {
  if (value === '' && !/[?#]/.test(before)) throw new CallError('the url: what is filled into the path is empty', false)
  if (!value.isWellFormed()) throw new CallError('the url: what is filled in is no text', false)
  if (controls.test(value)) throw new CallError('the url: what is filled in holds control characters', false)
  return encodeURIComponent(value)
}

/** RFC 9110 section 5.5, with letters outside ASCII as UTF-8. */
function headerText(value: string, where: string): string {
  if (controls.test(value) || !value.isWellFormed()) throw new CallError(`${where}: it holds control characters`, false)
  return Buffer.from(value, 'utf8').toString('latin1')
}

function textOf(value: Json | undefined, where: string): string {
  if (typeof value === 'string') return value
  if (typeof value === 'number' || typeof value === 'boolean') return String(value)
  const what = value === undefined || value === null ? 'is missing' : 'is no text'
  throw new CallError(`${where}: a value to be filled in ${what}`, false)
}

async function valueIn(expression: Expression, facts: Facts, where: string): Promise<Json | undefined> {
  try {
    return await expression.evaluate(facts)
  } catch (error) {
    throw new CallError(`${where}: ${error instanceof EvaluationError ? saidOf(error, facts) : 'it cannot be evaluated'}`, false)
  }
}

/** `$error(token.access)`: what an expression says itself is its own words, but for the token. */
function saidOf({ message }: EvaluationError, { token }: Facts): string {
  const { access } = (token ?? {}) as { readonly access?: unknown }
  return typeof access === 'string' && message.includes(access) ? 'it fails with the access token in its message' : message
}

function contentOf(value: Json | undefined): { readonly body: string; readonly headers: Readonly<Record<string, string>> } {
  if (value === undefined) throw new CallError('the body: its expression yields nothing', false)
  return typeof value === 'string'
    ? { body: value, headers: { 'content-type': 'text/plain; charset=utf-8' } }
    : { body: JSON.stringify(value), headers: { 'content-type': 'application/json' } }
}
