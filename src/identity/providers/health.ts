// Whether a provider can be reached just now, going by the calls that are made anyway, or by one made for it.
import type { CustomFetch } from 'openid-client'
import { PosternError } from '../../errors.ts'
import type { Clock, Instant, ProviderStatus } from '../../types.ts'
import { Unreachable } from './oidc-fetch.ts'

export interface Health {
  /** The calls whose end tells. */
  readonly ask: CustomFetch
  /** Makes a call where none was made lately. Throws PosternError('provider-unavailable'). */
  ensure(url: string): Promise<void>
  /** What is known otherwise, and the trouble of the last minute. */
  over(status: ProviderStatus): ProviderStatus
}

const goodFor = 10_000
/** People who come right after the one who has waited in vain do not wait too. */
const badFor = 5_000
const remembered = 60_000

/** `timeout` in milliseconds. */
export function createHealth({ ask, clock, timeout }: { ask: CustomFetch; clock: Clock; timeout: number }): Health {
  let good: Instant = Number.NEGATIVE_INFINITY
  let trouble: { readonly at: Instant; readonly detail: string } | undefined
  let pending: Promise<void> | undefined

  const watched: CustomFetch = async (url, init) => {
    try {
      const answer = await ask(url, init)
      good = clock()
      trouble = undefined
      return answer
    } catch (error) {
      if (error instanceof Unreachable) trouble = { at: clock(), detail: error.message }
      throw error
    }
  }
  const look = async (url: string): Promise<void> => {
    const signal = AbortSignal.timeout(timeout)
    const get = { method: 'GET', headers: { accept: 'application/json' }, body: undefined, redirect: 'manual', signal } as const
    try {
      // the first may meet a kept connection that the other side has closed meanwhile
      await watched(url, get).catch(() => watched(url, get))
    } catch (error) {
      throw unavailable(error instanceof Unreachable ? error.message : 'the provider cannot be asked')
    }
  }
  return {
    ask: watched,
    ensure: async (url) => {
      const now = clock()
      if (trouble && now - trouble.at < badFor) throw unavailable(trouble.detail)
      if (!trouble && now - good < goodFor) return
      pending ??= look(url).finally(() => {
        pending = undefined
      })
      return pending
    },
    over: (status) =>
      trouble && clock() - trouble.at < remembered ? { ...status, state: 'unavailable', detail: trouble.detail } : status,
  }
}

const unavailable = (detail: string): PosternError => new PosternError('provider-unavailable', detail)
