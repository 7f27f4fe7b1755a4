// References in calls to other services stand beside expressions: what comes out of one is text there and never becomes a part
// of an expression.
import { ExpressionError } from '../expression/errors.ts'
import { asTemplateText, parseTemplate } from '../expression/template.ts'
import type { Path } from './positions.ts'

export interface WithinCall {
  /** Offset of the first reference at which none may stand. */
  readonly misplaced: number | undefined
  /** What to do about it. */
  readonly advice: string
  /** What was found, as it stands for itself there. */
  readonly written: (found: string) => string
}

/** Undefined where `path` is no text of a call. */
export function withinCall(path: Path, value: string): WithinCall | undefined {
  const kind = kindOf(path)
  if (kind === undefined) return undefined
  const masked = value.replace(/\$\{(env|file):[^}]*\}/g, (whole) => 'x'.repeat(whole.length))
  const offsets = [...value.matchAll(/\$\{(env|file):[^}]*\}/g)].map(({ index }) => index)
  const ranges = kind === 'body' ? quotedIn(masked) : holesIn(masked)
  const isInside = (offset: number): boolean => ranges.some(([from, to]) => offset >= from && offset < to)
  const misplaced = offsets.find((offset) => isInside(offset) !== (kind === 'body'))
  return kind === 'body'
    ? { misplaced, written: asQuoted, advice: 'put it into quotes: "${env:NAME}"' }
    : { misplaced, written: asTemplateText, advice: 'write it outside of the hole' }
}

function kindOf(path: Path): 'body' | 'template' | undefined {
  const [list, , key, , call, part] = path
  if (!calls.has(`${list}.*.${key}.*.${call}`)) return undefined
  if (part === 'body') return 'body'
  return part === 'url' || part === 'headers' ? 'template' : undefined
}

const calls: ReadonlySet<string> = new Set([
  'providers.*.postLogin.*.call',
  'providers.*.profiles.*.provision',
  'portals.*.onSignOut.*.call',
])

type Range = readonly [from: number, to: number]

/** None where the template is broken: that is said when it is looked at. */
function holesIn(template: string): readonly Range[] {
  try {
    return parseTemplate(template).flatMap((part) =>
      part.kind === 'hole' ? [[part.offset, part.offset + part.source.length] as const] : [],
    )
  } catch (error) {
    if (error instanceof ExpressionError) return []
    throw error
  }
}

const quotedIn = (expression: string): readonly Range[] =>
  [...expression.matchAll(/"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'/gs)].map(({ 0: text, index }) => [index, index + text.length])

/** Between quotes of either kind. */
const asQuoted = (found: string): string => JSON.stringify(found).slice(1, -1).replaceAll("'", '\\u0027')
