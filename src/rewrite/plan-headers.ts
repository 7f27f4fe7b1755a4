// With which headers: expressions on facts give the lines a portal gets for one person. Knows no request and no socket; which
// names are taken out of a request is header-names' business.

import { PosternError } from '../errors.ts'
import {
  compileExpression,
  EvaluationError,
  type Expression,
  ExpressionError,
  joinReads,
  type Reads,
} from '../expression/compile.ts'
import { kindOf } from '../expression/kinds.ts'
import { fold } from '../header-names.ts'
import type { Facts, HeaderPlan, Json } from '../types.ts'
import { type Encoding, encodeList, encodeText, type ListStyle } from './encode.ts'

export type HeaderConfig =
  | string
  | { readonly value: string; readonly encoding?: Encoding | undefined; readonly list?: ListStyle | undefined }
export interface CompiledHeaders {
  /** As configured. */
  readonly names: readonly string[]
  readonly reads: Reads
  /** Rejects with PosternError `header-failed` where a value cannot be written. */
  plan(facts: Facts): Promise<HeaderPlan>
}
interface Header {
  readonly name: string
  readonly expression: Expression
  readonly encoding: Encoding
  readonly list: ListStyle
  /** A single value is a list of one: jsonata gives a text where a filter leaves one group. */
  readonly isList: boolean
}

/** Bytes of one value as it is written. */
const longestValue = 8192

/**
 * @param headers name -> JSONata, in the order they are written
 * @param encoding where a header has none of its own
 * @throws ExpressionError with the header's name as its `subject`
 */
export function compileHeaderPlan(headers: Readonly<Record<string, HeaderConfig>>, encoding: Encoding): CompiledHeaders {
  const compiled = Object.entries(headers).map(([name, config]) => compileHeader(name, config, encoding))
  return {
    names: compiled.map(({ name }) => name),
    reads: joinReads(compiled.map(({ expression }) => expression.reads)),
    plan: async (facts) => {
      const plan: string[] = []
      for (const header of compiled) {
        const text = await textOf(header, facts)
        if (text !== '') plan.push(header.name, text)
      }
      return plan
    },
  }
}

function compileHeader(name: string, config: HeaderConfig, encoding: Encoding): Header {
  const given = typeof config === 'string' ? { value: config } : config
  const isGroups = fold(name) === 'iv_groups'
  return {
    name,
    expression: compileValue(name, given.value),
    encoding: given.encoding ?? encoding,
    list: given.list ?? (isGroups ? 'quoted' : 'comma'),
    isList: given.list !== undefined || isGroups,
  }
}

function compileValue(name: string, source: string): Expression {
  try {
    return compileExpression(source, 'value')
  } catch (error) {
    if (!(error instanceof ExpressionError)) throw error
    throw new ExpressionError(error.message, error.offset, error.advice, name)
  }
}

async function textOf(header: Header, facts: Facts): Promise<string> {
  try {
    const text = write(header, await header.expression.evaluate(facts))
    if (text.length > longestValue) throw new TypeError(`the value is longer than ${longestValue} bytes`)
    return text
  } catch (error) {
    const known = error instanceof EvaluationError || error instanceof TypeError
    throw new PosternError('header-failed', `${header.name}: ${known ? error.message : 'it cannot be written'}`, { cause: error })
  }
}

function write({ encoding, list, isList }: Header, value: Json | undefined): string {
  if (value === undefined || value === null || value === '') return ''
  if (Array.isArray(value)) return encodeList(value, list, encoding)
  if (typeof value === 'object') throw new TypeError(`a ${kindOf(value)} cannot be written into a header`)
  return isList ? encodeList([value], list, encoding) : encodeText(String(value), encoding)
}
