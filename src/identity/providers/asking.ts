// How people get to a provider that they sign in at, as functions: what is asked of them before, what must come back.
import { compileExpression } from '../../expression/compile.ts'
import type { Facts, ProviderAsking } from '../../types.ts'
import { holdsControls } from './account.ts'

export interface AskingOptions {
  readonly domains?: readonly string[]
  readonly passParameters?: readonly string[]
  /** JSONata over the facts known at the start. */
  readonly loginHint?: string
  /** `equals` is JSONata over the facts known at the start. */
  readonly verify?: { readonly claim: string; readonly equals: string }
  readonly fallback?: string
}

/** Throws ExpressionError where an expression is none. */
export function askingOf({ domains, passParameters, loginHint, verify, fallback }: AskingOptions): ProviderAsking {
  return {
    ...(domains?.length ? { domains: domains.map((domain) => domain.toLowerCase()) } : {}),
    ...(passParameters?.length ? { passParameters } : {}),
    ...(loginHint === undefined ? {} : { loginHint: textOf(loginHint) }),
    ...(verify === undefined ? {} : { verify: { claim: verify.claim, expected: textOf(verify.equals) } }),
    ...(fallback === undefined ? {} : { fallback }),
  }
}

/** Anything but one line of text is nothing: a hint that is not sent, a comparison that nothing passes. */
function textOf(source: string): (facts: Facts) => Promise<string | undefined> {
  const expression = compileExpression(source, 'value')
  return async (facts) => {
    const value = await expression.evaluate(facts).catch(() => undefined)
    return typeof value === 'string' && value !== '' && !holdsControls(value) ? value : undefined
  }
}
