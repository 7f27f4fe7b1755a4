// The words of an explanation: what is said of one request, as JSON. Stable: members are added, none is renamed.
import type { Reason } from '../errors.ts'
import type { ExplainedRule } from '../types.ts'

export interface Explanation {
  readonly decision: 'allow' | 'challenge' | 'deny' | 'own'
  readonly reason: Reason
  /** What we answer; absent where the portal does. */
  readonly status?: number
  /** In a sentence. */
  readonly why: string
  /** The rule that decided; it may be one that is told no more of. */
  readonly rule?: string
  /** What a refused person is told beyond that. */
  readonly message?: string
  readonly request: {
    /** Of a refusal that is remembered. */
    readonly id?: string
    readonly method: string
    readonly path: string
    /** ISO 8601. */
    readonly at: string
    readonly clientIp: string | null
  }
  readonly portal?: { readonly name: string; readonly publicUrl: string; readonly mode: 'enforce' | 'warn' }
  /** `path` is empty where no route matched. */
  readonly route?: { readonly path: string; readonly access: string; readonly methods?: readonly string[] }
  readonly person?: {
    readonly provider: string
    readonly account: string
    readonly groups: readonly string[]
    /** ISO 8601. */
    readonly authenticatedAt: string
    readonly acr?: string
  }
  readonly rules: readonly ExplainedRule[]
  /** What the route wants of the sign-in. `holds` is absent where it was not asked. */
  readonly freshness?: {
    readonly reauthenticate?: string
    readonly acr?: string
    readonly providers?: readonly string[]
    readonly holds?: boolean
  }
  /** `when` of the person's provider. */
  readonly condition?: { readonly provider: string; readonly holds: boolean }
  readonly secondFactors: readonly { readonly provider: string; readonly needed: boolean }[]
  /** What the portal would get, as it is written. */
  readonly headers: readonly { readonly name: string; readonly value: string }[]
  readonly notes: readonly string[]
}

/** What was asked cannot be answered: the person's to mend. The message says what to write instead. */
export class WrongQuestion extends Error {
  override readonly name = 'WrongQuestion'
}
