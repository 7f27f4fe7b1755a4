// The one file and the image around it.
import { type ChildProcessWithoutNullStreams, execFile, spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type Bundled, bundle } from '../../deploy/bundle.ts'

const run = promisify(execFile)
const read = (path: string): string => readFileSync(new URL(`../../${path}`, import.meta.url), 'utf8')
const packageJson = JSON.parse(read('package.json'))

/** The address people come to, from the log of a Postern that starts. */
async function listening(serving: ChildProcessWithoutNullStreams): Promise<string> {
  for await (const line of createInterface(serving.stdout)) {
    const { msg, people } = JSON.parse(line)
    if (msg === 'listening') return people
  }
  throw new Error('it ended without listening')
}

describe('the bundle', () => {
  let folder: string
  let bundled: Bundled
  const postern = (...args: string[]) => run(process.execPath, [join(folder, 'postern.js'), ...args], { cwd: folder, env: {} })

  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'postern-bundle-'))
    bundled = await bundle(join(folder, 'postern.js'))
  })
  afterAll(() => rmSync(folder, { recursive: true, force: true }))

  it('runs with nothing beside it', async () => {
    expect(readdirSync(folder)).toEqual(['postern.js'])
    expect((await postern('--help')).stdout).toContain('serve')
    expect((await postern('keygen')).stdout).toMatch(/^[A-Za-z0-9_-]{43}\n$/)
  })

  it('says what is wrong with a configuration instead of failing at an import', async () => {
    const failed = await postern('check', '--config', 'nowhere.yaml').catch((error) => error)
    expect([failed.code, failed.stdout + failed.stderr]).toEqual([1, expect.stringContaining('nowhere.yaml')])
  })

  it('says in a plain sentence that the demo needs a checkout', async () => {
    const failed = await postern('demo').catch((error) => error)
    expect([failed.code, failed.stdout + failed.stderr]).toEqual([1, expect.stringMatching(/needs a checkout.*npm ci/)])
  })

  it('serves people with nothing beside it but a configuration', async () => {
    const config = `server: { publicUrl: "http://portal.localhost:8080", listen: "127.0.0.1:0", health: "127.0.0.1:0", admin: "127.0.0.1:0" }
session: { keys: ["\${env:KEY}"] }
providers: [{ name: idp, protocol: OIDC, issuer: "http://localhost:1", clientId: a, rules: [{ name: staff, when: hd = 'x' }] }]
portals: [{ name: portal, host: portal.localhost, upstream: "http://127.0.0.1:1", providers: [idp] }]
`
    const place = mkdtempSync(join(tmpdir(), 'postern-bundle-config-'))
    writeFileSync(join(place, 'postern.yaml'), config)
    const env = { KEY: randomBytes(32).toString('base64url') }
    const serving = spawn(process.execPath, [join(folder, 'postern.js'), 'serve', '--config', join(place, 'postern.yaml')], {
      env,
    })
    try {
      const people = await listening(serving)
      const unknown = await fetch(`http://${people}/`)
      expect([unknown.status, unknown.headers.get('content-type')]).toEqual([404, 'application/problem+json'])
      expect(await unknown.json()).toMatchObject({ status: 404, type: expect.stringContaining('portal-unknown') })
    } finally {
      serving.kill('SIGINT')
      await once(serving, 'exit')
      rmSync(place, { recursive: true, force: true })
    }
  })

  it('holds no development dependency, and its licences are kept', () => {
    expect(bundled.packages).toContain('openid-client')
    expect(bundled.packages.filter((name) => name in packageJson.devDependencies)).toEqual([])
    expect(readFileSync(join(folder, 'postern.js'), 'utf8')).toMatch(/@license|Copyright/)
  })
})

describe('the Dockerfile', () => {
  const instructions = read('deploy/Dockerfile')
    .split('\n')
    .filter((line) => /^[A-Z]+ /.test(line))
    .map((line) => ({ name: line.slice(0, line.indexOf(' ')), rest: line.slice(line.indexOf(' ') + 1) }))
  const last = instructions.slice(instructions.findLastIndex(({ name }) => name === 'FROM'))
  const only = (name: string): string[] => last.filter((one) => one.name === name).map(({ rest }) => rest)

  it('ends in a distroless base with nothing of ours but the bundle', () => {
    expect(only('FROM')).toEqual([expect.stringMatching(/^gcr\.io\/distroless\/nodejs\$\{NODE\}-debian\d+:nonroot$/)])
    expect(only('COPY')).toEqual(['--from=build --chmod=0444 /build/postern.js /app/postern.js'])
    expect(only('ADD')).toEqual([])
    expect(only('RUN')).toEqual([])
  })

  it('runs as a numbered user who is not root', () => {
    const [user] = only('USER')
    expect(Number(/^(\d+):\d+$/.exec(user ?? '')?.[1])).toBeGreaterThan(0)
  })

  it('starts the program itself, without a shell that would keep signals away from it', () => {
    const [entry] = only('ENTRYPOINT')
    expect(JSON.parse(entry!)).toEqual(['/nodejs/bin/node', '/app/postern.js'])
    expect(JSON.parse(only('CMD')[0]!)).toEqual(['serve', '--config', '/etc/postern/postern.yaml'])
  })

  it('leaves probing to the orchestrator and exposes people and health, never the admin port', () => {
    expect(only('HEALTHCHECK')).toEqual([])
    expect(only('EXPOSE')).toEqual(['8080 9091'])
  })

  it('carries no secret, and builds on a Node that package.json accepts', () => {
    const set = instructions.filter(({ name }) => name === 'ENV' || name === 'ARG').map(({ rest }) => rest)
    expect(set).toEqual(['NODE=24', 'NODE_ENV=production'])
    expect(packageJson.engines.node).toBe('>=24')
  })

  it('sends the builder only what it builds from', () => {
    const allowed = read('deploy/Dockerfile.dockerignore').trim().split('\n')
    expect(allowed).toEqual(['*', '!package.json', '!package-lock.json', '!src', '!deploy/bundle.ts'])
  })
})
