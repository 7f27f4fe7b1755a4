// What oidc-provider keeps, without the bound of its own memory adapter: a crowd has more sessions and tokens than that takes.
interface Payload {
  readonly grantId?: string
  readonly uid?: string
  consumed?: number
}

/** An adapter class of oidc-provider with a store of its own. Nothing in it ends: its tests are over before. */
export function createRoomyAdapter(): object {
  const kept = new Map<string, Payload>()
  const byUid = new Map<string, string>()
  const byGrant = new Map<string, Set<string>>()
  return class RoomyAdapter {
    readonly #model: string
    constructor(model: string) {
      this.#model = model
    }
    #key(id: string): string {
      return `${this.#model}:${id}`
    }
    async upsert(id: string, payload: Payload): Promise<void> {
      const key = this.#key(id)
      kept.set(key, payload)
      if (payload.uid) byUid.set(payload.uid, key)
      const { grantId } = payload
      if (grantId) byGrant.set(grantId, (byGrant.get(grantId) ?? new Set()).add(key))
    }
    async find(id: string): Promise<Payload | undefined> {
      return kept.get(this.#key(id))
    }
    async findByUid(uid: string): Promise<Payload | undefined> {
      return kept.get(byUid.get(uid) ?? '')
    }
    async findByUserCode(): Promise<undefined> {}
    async consume(id: string): Promise<void> {
      const payload = kept.get(this.#key(id))
      if (payload) payload.consumed = Math.floor(Date.now() / 1000)
    }
    async destroy(id: string): Promise<void> {
      kept.delete(this.#key(id))
    }
    async revokeByGrantId(grantId: string): Promise<void> {
      for (const key of byGrant.get(grantId) ?? []) kept.delete(key)
      byGrant.delete(grantId)
    }
  }
}
