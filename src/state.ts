// The little that must outlive a process and be one for all replicas: account links, what was provisioned. A word: identity
// uses it, stores implement it, test/state/store-conformance.ts holds them to it.
import type { Instant, Json } from './types.ts'

/** Throws PosternError('store-unavailable') from every method. Keys are text of at most 512 characters; values at most 64 KiB of JSON. */
export interface StateStore {
  get(key: string): Promise<Json | undefined>
  /**
   * Writes `after` where the value still is `before` (undefined: absent), compared as JSON. False: somebody else was faster.
   * `after` undefined removes. `until`: the entry is gone from then on.
   */
  change(key: string, before: Json | undefined, after: Json | undefined, until?: Instant): Promise<boolean>
  /** Entries whose key starts with `prefix`, in the order of their keys, at most `most`. */
  list(prefix: string, most: number): Promise<readonly (readonly [key: string, value: Json])[]>
  close(): Promise<void>
}
