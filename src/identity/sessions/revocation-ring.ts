// How a revocation looks to whoever keeps it for us: sealed, and under a name that says nothing. Times stay readable: of two that are
// told under one name the later ones count.
import type { News } from '../../feed.ts'
import type { Json } from '../../types.ts'
import type { Revocation, Selector } from './revocations.ts'
import { createSealer } from './seal.ts'

export interface RevocationRing {
  isOf(keys: readonly string[]): boolean
  /**
   * Once under each key: while keys rotate, a replica that has only one of them must hear of it too. The name is the same at every
   * replica that has the key: what two of them tell is one entry.
   */
  sealed(key: string, revocation: Revocation): Promise<readonly News[]>
  /** undefined: under none of these keys, or not ours. */
  opened(news: News): Promise<Revocation | undefined>
}

const purpose = 'revocation'

/** @param keys `session.keys`. Throws TypeError where one is none. */
export function createRevocationRing(keys: readonly string[]): RevocationRing {
  const own = [...keys]
  const sealer = createSealer(own)
  const alone = own.map((key) => createSealer([key]))
  return {
    isOf: (others) => others.length === own.length && others.every((key, at) => key === own[at]),
    sealed: (key, { at, until, ...selector }) =>
      Promise.all(
        alone.map(async (one) => {
          const [name] = one.macs(key, purpose)
          return { name, at, until, text: await one.seal(selector as Json, purpose) }
        }),
      ),
    async opened({ text, at, until }) {
      const selector = (await sealer.open(text, purpose)) as Selector | undefined
      return selector && { ...selector, at, until }
    },
  }
}
