// The program as a process: exit codes, signals, what it says on a wrong start. Times are chosen so that waiting for them would
// outlast the test.
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import { testKey } from '../support/postern.ts'

const folder = mkdtempSync(join(tmpdir(), 'postern-process-'))
const children: ChildProcess[] = []
afterAll(() => {
  for (const child of children) child.kill('SIGKILL')
  rmSync(folder, { recursive: true, force: true })
})

const main = join(import.meta.dirname, '../../src/main.ts')
function start(...args: string[]) {
  const child = spawn(process.execPath, [main, ...args], { stdio: ['ignore', 'pipe', 'pipe'] })
  children.push(child)
  let out = ''
  let err = ''
  child.stdout.on('data', (chunk) => (out += chunk))
  child.stderr.on('data', (chunk) => (err += chunk))
  return {
    child,
    said: () => out,
    ended: once(child, 'close').then(([code]) => ({ code: code as number, out, err })),
    until: async (text: string) => {
      while (!out.includes(text)) await once(child.stdout, 'data')
    },
  }
}

function configured(name: string, health: string, upstream = 'http://127.0.0.1:9'): string {
  const file = join(folder, name)
  writeFileSync(
    file,
    `server: { listen: "127.0.0.1:0", health: "${health}", admin: "127.0.0.1:0", publicUrl: "http://home.localhost", timeouts: { drainDelay: 0s, drain: 1h } }
session: { keys: [${testKey}] }
providers: [{ name: webseal, protocol: WEBSEAL, trustedSourceIps: [127.0.0.1] }]
portals: [{ name: home, host: "*", upstream: "${upstream}", providers: [webseal] }]
`,
  )
  return file
}

describe('the program', () => {
  it('ends at once on SIGTERM where nothing runs, with exit code 0', async () => {
    const serving = start('serve', '--config', configured('idle.yaml', '127.0.0.1:0'))
    await serving.until('"listening"')
    serving.child.kill('SIGTERM')
    expect((await serving.ended).code).toBe(0)
  })

  it('lets a running request end on SIGTERM, and then ends', async () => {
    let finish: () => void = () => undefined
    const portal = createServer((_request, response) => {
      response.write('begun ')
      finish = () => response.end('ended')
    })
    portal.listen(0, '127.0.0.1')
    await once(portal, 'listening')
    const serving = start(
      'serve',
      '--config',
      configured('busy.yaml', '127.0.0.1:0', `http://127.0.0.1:${(portal.address() as AddressInfo).port}`),
    )
    await serving.until('"listening"')
    const address = /"people":"([^"]+)"/.exec(serving.said())?.[1]
    const answer = await fetch(`http://${address}/`, { headers: { 'iv-user': 'anna' } })
    serving.child.kill('SIGTERM')
    await serving.until('waiting for running requests')
    finish()
    expect(await answer.text()).toBe('begun ended')
    expect((await serving.ended).code).toBe(0)
    portal.close()
  })

  it('does not serve on with half of its listeners: a taken port is exit code 1, with the address', async () => {
    const other = createServer().listen(0, '127.0.0.1')
    await once(other, 'listening')
    const { port } = other.address() as AddressInfo
    const { code, err } = await start('serve', '--config', configured('taken.yaml', `127.0.0.1:${port}`)).ended
    expect(code).toBe(1)
    expect(err).toContain(`cannot listen on 127.0.0.1:${port}`)
    expect(err).not.toContain('at ')
    other.close()
  })

  it.each([
    [['keygen'], 0],
    [['--help'], 0],
    [['--version'], 0],
    [['serve', '--help'], 0],
    [[], 2],
    [['nonsense'], 2],
    [['serve', '--nonsense'], 2],
    [['keygen', 'x'], 2],
    [['check', '--config', '/nowhere/postern.yaml'], 1],
    [['serve', '--config', '/nowhere/postern.yaml'], 1],
    [['uris', '--config', '/nowhere/postern.yaml'], 1],
    [['serve', '--config', 'config/postern.yaml', '--enforce-local=nobody'], 1],
  ])('%j ends with %i', async (args, code) => {
    const ended = await start(...args).ended
    expect(ended.code).toBe(code)
    expect(ended.err).not.toMatch(/node:internal|\.ts:\d/)
  })
})
