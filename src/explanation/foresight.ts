// What somebody goes through at a sign-in, as far as it can be known without asking anybody: the words of it. Configuration gives it.
import type { Identity, Instant, Json, RequestView } from '../types.ts'

type Values = Readonly<Record<string, Json>>

/** Of one provider. */
export interface Foresight {
  /** What its post-login actions would set, null where the values do not say; and the values that are claims. */
  split(values: Values): { readonly claims: Values; readonly added: Values }
  /** In the shape of the first profile that fits. Throws PosternError('no-profile' or 'account-missing'). Calls nobody. */
  shape(
    identity: Identity,
    at: { readonly portal: string; readonly request: RequestView; readonly now: Instant },
  ): Promise<Identity>
  /** Names that would be set and are not among the values. */
  missing(values: Values): readonly string[]
  /** What is not known here, in sentences. */
  notes(values: Values): readonly string[]
}
export interface Foreseeing {
  /** By the provider's name; undefined: its people stay as it names them. */
  readonly foresee?: (provider: string) => Foresight | undefined
}
