// Why a text is no YAML, in words for whoever wrote it: the parser's own sentences quote the text, which may be a secret.
import type { YAMLError } from 'yaml'

export interface Mistake {
  /** In the text. */
  readonly offset: number
  readonly message: string
  readonly advice: string
}
type Sentence = readonly [message: string, advice: string]

export const aliasOfNothing: Sentence = [
  'an alias (*) stands for no anchor (&) before it',
  'put the text into quotes, or define the anchor first',
]
const indentation: Sentence = [
  'this line is indented differently from the line above',
  'begin it in the same column as its neighbours, or two blanks further right where it belongs to the line above',
]
const colon: Sentence = ['a text with ": " in it needs quotes', "put all of it into quotes: '…'"]
const listBesideKey: Sentence = ['a list begins on the line of its key', 'write each - on a line of its own, or [a, b]']
const noBlank: Sentence = ['the blank after the colon is missing', 'write KEY: VALUE']
const anySentence: Sentence = ['this is not valid YAML', 'check indentation, quotes and brackets around here']
const sentences: Readonly<Record<string, Sentence>> = {
  BAD_ALIAS: aliasOfNothing,
  BAD_DQ_ESCAPE: ['an unknown escape stands in double quotes', "use single quotes: '…'"],
  BAD_INDENT: ['the indentation does not fit', 'line it up with its neighbours, or close the bracket or quote above'],
  BAD_SCALAR_START: ['text starts with a character that means something in YAML', "put the text into quotes: '…'"],
  BLOCK_AS_IMPLICIT_KEY: ['a key and a list or map stand on one line', 'put a line break after the colon'],
  DUPLICATE_KEY: ['this key stands twice in the same place', 'take one of them away'],
  MISSING_CHAR: ['a bracket, quote, comma or colon is missing', 'close what was opened, and put a blank after each colon'],
  MULTILINE_IMPLICIT_KEY: ['a key runs over several lines', 'close the quotes, or put a colon after the key'],
  MULTIPLE_DOCS: ['the file holds several documents', 'take the --- and what follows it away'],
  TAB_AS_INDENT: ['a tab is used for indentation', 'use blanks'],
  TAG_RESOLVE_FAILED: ['an unknown tag (!) stands here', "put the text into quotes: '…'"],
}

type Complaint = Pick<YAMLError, 'code' | 'message' | 'pos'>

/** What the parser says of one place. */
export function plainly({ code, pos }: Complaint): Mistake {
  const [message, advice] = sentences[code] ?? anySentence
  return { offset: pos[0], message, advice }
}

/** What was probably done, from the first of its complaints and what surrounds it. */
export function mistakeOf(complaints: readonly Complaint[], text: string): Mistake {
  const [first] = complaints as readonly [Complaint]
  return (
    reference(first, text) ??
    misplacedLine(first, complaints, text) ??
    textWithColon(first, text) ??
    missingBlank(first, text) ??
    (first.message.includes('block-seq-ind') ? at(first.pos[0], listBesideKey) : undefined) ??
    plainly(first)
  )
}

const at = (offset: number, [message, advice]: Sentence): Mistake => ({ offset, message, advice })

/** `{ clientSecret: ${file:/x} }`: to YAML the reference's brace opens a map. */
function reference({ pos: [start] }: Complaint, text: string): Mistake | undefined {
  const kind = /^\{(env|file):/.exec(text.slice(start, start + 6))?.[1]
  if (kind === undefined || text[start - 1] !== '$') return undefined
  return at(start - 1, [
    'a reference stands without quotes inside { } or [ ]',
    `inside { } and [ ] put "\${${kind}:…}" in quotes`,
  ])
}

function misplacedLine(first: Complaint, complaints: readonly Complaint[], text: string): Mistake | undefined {
  const [start] = first.pos
  const isAtLineStart = text.slice(text.lastIndexOf('\n', start - 1) + 1, start).trim() === ''
  if (isAtLineStart && isOfLines(first)) return at(nextVisible(text, start), indentation)
  // `a: b` and below it, further right, `c: d`: to the parser one key over two lines
  const key = complaints.find(({ code }) => code === 'MULTILINE_IMPLICIT_KEY')
  const end = text.indexOf('\n', start)
  if (first.code === 'BLOCK_AS_IMPLICIT_KEY' && key?.pos[0] === start && end >= 0 && key.pos[1] > end)
    return at(nextVisible(text, end), indentation)
  return undefined
}

const isOfLines = ({ code, message }: Complaint): boolean =>
  (code === 'BAD_INDENT' && message.includes('same column')) ||
  (code === 'MISSING_CHAR' && message.includes('without - indicator')) ||
  (code === 'UNEXPECTED_TOKEN' && message.includes('at node end')) ||
  code === 'BLOCK_AS_IMPLICIT_KEY'

function nextVisible(text: string, offset: number): number {
  const blanks = /^\s*/.exec(text.slice(offset))?.[0].length ?? 0
  return Math.min(offset + blanks, text.length)
}

function textWithColon({ code, pos: [start] }: Complaint, text: string): Mistake | undefined {
  if (code !== 'BLOCK_AS_IMPLICIT_KEY' && code !== 'BLOCK_IN_FLOW') return undefined
  return /^[^\s'"[{|>&*!-][^\n]*?:(\s|$)/.test(text.slice(start, start + 2000)) ? at(start, colon) : undefined
}

function missingBlank({ code, pos: [start] }: Complaint, text: string): Mistake | undefined {
  if (code !== 'MULTILINE_IMPLICIT_KEY') return undefined
  return /^[A-Za-z][\w-]*:[^\s]/.test(text.slice(start, start + 100)) ? at(start, noBlank) : undefined
}
