// What a browser holds where the server keeps the session: `s1.ID.MAC`, an id that only we could have given out, and only for one
// audience. A list of ids, or a dump of the store, gives nobody a cookie.
import { timingSafeEqual } from 'node:crypto'
import type { Sealer } from '../seal.ts'
import type { SessionRecord } from '../session-store.ts'

const purpose = 'session-reference'
const shape = /^s1\.([\w-]{1,64})\.([\w-]{43})$/

export interface References {
  tokenOf(record: Pick<SessionRecord, 'id' | 'audience'>): string
  /** undefined: not ours, or for another audience. Takes microseconds, and asks nobody. */
  idOf(token: string, audience: string): string | undefined
}

/** Any key of the sealer's verifies, the first one signs. */
export function createReferences(sealer: Sealer): References {
  const macs = (id: string, audience: string) => sealer.macs(JSON.stringify([id, audience]), purpose)
  return {
    tokenOf: ({ id, audience }) => `s1.${id}.${macs(id, audience)[0]}`,
    idOf(token, audience) {
      const [, id = '', mac = ''] = shape.exec(token) ?? []
      if (id === '') return undefined
      const given = Buffer.from(mac, 'latin1')
      return macs(id, audience).some((one) => timingSafeEqual(Buffer.from(one, 'latin1'), given)) ? id : undefined
    },
  }
}
