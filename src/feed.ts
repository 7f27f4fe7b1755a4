// What every replica must hear of, in an order, until it is over: news that are written down. A word: identity uses it, state/
// implements it.
import type { Instant } from './types.ts'

export interface News {
  /** What is told again under the same name replaces what was told before: the later of both `at`, and of both `until`, stay. */
  readonly name: string
  /** Visible ASCII. */
  readonly text: string
  readonly at: Instant
  /** Of no interest to anybody from then on. */
  readonly until: Instant
}
/** How far somebody has read. Opaque. */
export interface FeedPosition {
  readonly epoch: string
  readonly sequence: number
  readonly connection: number
}
export interface FeedPage {
  readonly news: readonly News[]
  readonly position: FeedPosition
  /** There is another page. */
  readonly more: boolean
  /** This is no continuation but the beginning: what was told before may be lost, and is to be told again. */
  readonly anew: boolean
}

/** Throws PosternError('store-unavailable') from `tell` and `read`. */
export interface Feed {
  /** All or none. @param now what was over an hour ago goes */
  tell(news: readonly News[], now: Instant): Promise<void>
  /** @param after undefined: from the beginning */
  read(after: FeedPosition | undefined): Promise<FeedPage>
  /** There may be something to read. Not every hint arrives. Gives how to stop listening. */
  onHint(listener: () => void): () => void
}
