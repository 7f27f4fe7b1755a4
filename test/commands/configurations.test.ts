// The configuration that is served, loaded again and let go of.
import { execFileSync } from 'node:child_process'
import { mkdtemp, open, rename, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, it, onTestFinished } from 'vitest'
import { createConfigurations } from '../../src/commands/configurations.ts'
import { createStates } from '../../src/commands/open-state.ts'
import { quietContext } from '../../src/commands/quiet-context.ts'
import { loadConfig } from '../../src/config/load.ts'
import { testKey } from '../support/postern.ts'

const textOf = (portal: string) => `
server: { publicUrl: http://home.localhost }
session: { keys: [${testKey}] }
providers: [{ name: webseal, protocol: WEBSEAL, trustedSourceIps: [127.0.0.1] }]
portals: [{ name: ${portal}, host: home.localhost, upstream: "http://127.0.0.1:9", providers: [webseal] }]
`
async function configured() {
  const folder = await mkdtemp(join(tmpdir(), 'postern-configurations-'))
  onTestFinished(() => rm(folder, { recursive: true, force: true }))
  const file = join(folder, 'postern.yaml')
  const put = async (portal: string) => {
    await writeFile(join(folder, 'next'), textOf(portal))
    await rename(join(folder, 'next'), file)
  }
  await put('first')
  const context = quietContext({}, Date.now)
  const states = createStates({ clock: Date.now, log: context.log })
  const configurations = createConfigurations(await loadConfig(file, { env: {} }), { file, env: {}, states, context })
  const portal = () => configurations.current().config.portals[0]?.name
  return { configurations, file, put, portal }
}

it('what was read first never wins over what was read last', async () => {
  const { configurations, file, put, portal } = await configured()
  await rm(file)
  execFileSync('mkfifo', [file])
  const slow = configurations.reload()
  const pipe = await open(file, 'w') // it is being read now
  await put('third')
  const ended: string[] = []
  const quick = configurations.reload()
  const both = [slow.then(() => ended.push('slow')), quick.then(() => ended.push('quick'))]
  // far longer than reading a file takes that nobody waits for
  for (let turn = 0; turn < 20; turn++) await loadConfig(file, { env: {} })
  await pipe.writeFile(textOf('second'))
  await pipe.close()
  await Promise.all(both)
  expect(ended).toEqual(['slow', 'quick'])
  expect([configurations.current().number, portal()]).toEqual([3, 'third'])
})

it('all that were served are closed at the end, those that requests still hold too', async () => {
  const { configurations, put } = await configured()
  const [before, current] = [configurations.current(), configurations.current]
  before.served.hold()
  await put('second')
  expect(await configurations.reload()).toBe(true)
  let isClosed = false
  const closing = configurations.close().then(() => {
    isClosed = true
  })
  await current().served.closed
  await new Promise(setImmediate)
  expect(isClosed).toBe(false)
  before.served.release()
  await closing
  expect(await configurations.reload()).toBe(false)
  expect(current().number).toBe(2)
  await configurations.close() // twice is once
})
