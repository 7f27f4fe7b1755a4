// Writes `n/1`, `n/2`, … into the state named on the command line and says each number once it is written, until it is killed.
import { writeSync } from 'node:fs'
import { openState } from '../../src/state/open.ts'

const [, , url = '', start = '1', most = 'Infinity'] = process.argv
const store = openState(url, { clock: Date.now, log: { server: () => undefined } })
for (let n = Number(start); n < Number(start) + Number(most); n++) {
  const isWritten = await store.change(`n/${String(n).padStart(9, '0')}`, undefined, { n })
  writeSync(1, isWritten ? `${n}\n` : `lost ${n}\n`)
}
await store.close()
