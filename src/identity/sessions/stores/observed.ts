// A store that is measured: how long each answer took, and how often there was none. Knows no metrics and no clock of its own.
import type { SessionStore } from '../session-store.ts'

export type StoreOperation = 'create' | 'read' | 'touch' | 'replace' | 'remove' | 'list' | 'takeExpired'
export interface StoreObserver {
  /** Monotonic seconds. */
  readonly stopwatch: () => number
  readonly onStoreCall: (operation: StoreOperation, seconds: number) => void
  readonly onStoreError: (operation: StoreOperation) => void
}

export function observeStore(store: SessionStore, observer: StoreObserver): SessionStore {
  const { stopwatch, onStoreCall, onStoreError } = observer
  async function timed<T>(operation: StoreOperation, call: () => Promise<T>): Promise<T> {
    const began = stopwatch()
    try {
      return await call()
    } catch (error) {
      onStoreError(operation)
      throw error
    } finally {
      onStoreCall(operation, stopwatch() - began)
    }
  }
  return {
    ...store,
    create: (...of) => timed('create', () => store.create(...of)),
    read: (...of) => timed('read', () => store.read(...of)),
    touch: (...of) => timed('touch', () => store.touch(...of)),
    replace: (...of) => timed('replace', () => store.replace(...of)),
    remove: (...of) => timed('remove', () => store.remove(...of)),
    list: (...of) => timed('list', () => store.list(...of)),
    takeExpired: (...of) => timed('takeExpired', () => store.takeExpired(...of)),
  }
}
