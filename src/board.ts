// What replicas tell each other for a short time: that a sign-in was used, who is refreshing, what somebody had typed. A word:
// identity uses it, state/ implements it, test/state/board-conformance.ts holds the implementations to it.

/** Throws PosternError('store-unavailable') from every method. Keys are text of at most 512 characters; times are milliseconds. */
export interface Board {
  /** True for the first who says it, in all replicas, until `forMs` have passed. */
  once(key: string, forMs: number): Promise<boolean>
  /** Visible ASCII, at most 256 KiB. */
  put(key: string, text: string, forMs: number): Promise<void>
  get(key: string): Promise<string | undefined>
  /** Gives it and forgets it, to one of those who ask. */
  take(key: string): Promise<string | undefined>
  /** undefined: somebody has it. Ends by itself after `forMs`, so that whoever dies holds nobody up for ever. */
  lease(key: string, forMs: number): Promise<Lease | undefined>
}
export interface Lease {
  /** Another `forMs` from now; false: it was lost meanwhile. */
  renew(): Promise<boolean>
  /** Never throws. */
  release(): Promise<void>
}
