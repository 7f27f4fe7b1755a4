// A header plan is checked before an engine sees it: an engine that throws on a header has wedged a pool before.
import { fold } from '../header-names.ts'
import type { HeaderPlan } from '../types.ts'

const isToken = (text: string): boolean => /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/.test(text)
/** RFC 9110 section 5.5, as the engines write it: one latin1 character per byte. */
const isFieldValue = (text: string): boolean => !/[^\t\x20-\x7e\x80-\xff]/.test(text)

/** Written by the engine alone, or once by us: a plan that names one would repeat it, or frame the request anew. */
const structural = new Set(
  ['host', 'content-length', 'transfer-encoding', 'connection', 'upgrade', 'te', 'trailer', 'expect', 'keep-alive'].map(fold),
)
const writable = new WeakSet<HeaderPlan>()

/** Plans are kept per person, so each is looked at once. */
export function isWritablePlan(plan: HeaderPlan): boolean {
  if (plan.length === 0 || writable.has(plan)) return true
  if (plan.length % 2 !== 0) return false
  for (let at = 0; at < plan.length; at += 2) {
    const name = plan[at] as string
    if (!isToken(name) || structural.has(fold(name)) || !isFieldValue(plan[at + 1] as string)) return false
  }
  writable.add(plan)
  return true
}

/** Whether the plan sets the variable that a CGI would fold this name to. */
export function isPlanned(plan: HeaderPlan, name: string): boolean {
  const folded = fold(name)
  for (let at = 0; at < plan.length; at += 2) if (fold(plan[at] as string) === folded) return true
  return false
}
