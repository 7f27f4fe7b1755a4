import { createMemoryState } from '../../src/state/memory.ts'
import { describeStateStore } from './store-conformance.ts'

// one store stands for all: there is nothing behind it that two could share
describeStateStore('memory', async () => {
  const store = createMemoryState({ clock: Date.now })
  return { open: () => store }
})
