// CPU per request and requests per second of what Postern does with a request, against a bare pipe, in one run.
// `npm run bench [-- --rounds N --seconds N --json FILE]`. Needs wrk and redis-server. Compare by ratio: machines are noisy, so rounds are
// interleaved and the median of the per-round ratios is what counts.
import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { type CrookedProvider, startCrookedProvider } from '../support/crooked-provider.ts'
import { startRedis } from '../support/redis.ts'
import { createVisitor } from '../support/visitor.ts'

const { values } = parseArgs({
  options: { rounds: { type: 'string', default: '7' }, seconds: { type: 'string', default: '3' }, json: { type: 'string' } },
})
const rounds = Number(values.rounds)
const seconds = Number(values.seconds)
const key = 'AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8'
const folder = mkdtempSync(join(tmpdir(), 'postern-bench-'))
const children: ChildProcess[] = []

interface Started {
  readonly pid: number
  readonly port: number
}

/** Starts a script that prints its port (or Postern, whose log tells it) and waits for that. */
async function start(args: readonly string[], port: RegExp, env: Record<string, string> = {}): Promise<Started> {
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'], env: { ...process.env, ...env } })
  children.push(child)
  let text = ''
  return new Promise((resolve, reject) => {
    child.once('exit', (code) => reject(new Error(`${args.join(' ')} ended with ${code}`)))
    child.stdout?.on('data', (chunk: Buffer) => {
      if (text.length > 1e6) return
      text += chunk.toString()
      const found = port.exec(text)
      if (found && child.pid !== undefined) resolve({ pid: child.pid, port: Number(found[1]) })
    })
  })
}

const origin = `
import { createServer } from 'node:http'
const body = Buffer.alloc(1024, 'x')
const server = createServer((request, response) => { request.resume(); response.writeHead(200, ['Content-Type', 'text/plain', 'Content-Length', '1024']); response.end(body) })
server.keepAliveTimeout = 75000
server.listen(0, '127.0.0.1', () => console.log(server.address().port))
`

const written = (rules: readonly string[]): string =>
  rules.map((rule, index) => `{ name: rule${index}, when: '${rule}', message: "Only for the company." }`).join(', ')

const configuration = (upstream: number, engine: string, issuer: string | undefined, ...rules: readonly string[]): string =>
  kept('cookie', upstream, engine, issuer, ...rules)

const kept = (
  store: string,
  upstream: number,
  engine: string,
  issuer: string | undefined,
  ...rules: readonly string[]
): string => `
server: { listen: "127.0.0.1:0", health: "127.0.0.1:0", admin: "127.0.0.1:0", publicUrl: "http://home.localhost", engine: ${engine} }
session: { keys: [${key}], store: "${store}" }
providers:
  - ${issuer ? `{ name: P, protocol: OIDC, issuer: "${issuer}", clientId: bench, clientSecret: s3cret }` : '{ name: P, protocol: WEBSEAL, trustedSourceIps: [127.0.0.1] }'}
portals:
  - { name: home, host: "*", upstream: "http://127.0.0.1:${upstream}", providers: [P], rules: [${written(rules)}], headers: { iv-user: account, iv-groups: groups, x-email: email } }
`

/** What rules ask of a person. */
const tenRules = [
  'hd == "mycompany.com"',
  'email_verified = true and $emailDomain(email) = "mycompany.com"',
  '"staff" in groups',
  'not is_system or auth.profile.access_type == 1',
  '$exists(groups[$ in ["staff", "partners"]])',
  'not ("suspended" in groups)',
  'name != "root"',
  '$contains(email, /^[^@]+@mycompany\\.com$/)',
  'provider = "P" and portal = "home"',
  'account in ["anna@mycompany.com", "bob@mycompany.com"]',
]
/** The same, half of them about the request. */
const requestRules = [
  ...tenRules.slice(0, 5),
  'request.method in ["GET", "HEAD"] or "admins" in groups',
  'not $contains(request.path, "/admin/")',
  'is_client_ip_private',
  '$inCidr(client_ip, "10.0.0.0/8", "127.0.0.0/8")',
  'request.query != "debug=1" and request.host = "home.localhost"',
]

async function startPostern(name: string, text: string): Promise<Started> {
  const file = join(folder, `${name}.yaml`)
  writeFileSync(file, text)
  return start([join(import.meta.dirname, '../../src/main.ts'), 'serve', '--config', file], /"people":"127\.0\.0\.1:(\d+)"/)
}

/** Signs in, as a person would; the session cookie. */
async function signIn(provider: CrookedProvider, server: Started): Promise<string> {
  const home = `http://home.localhost:${server.port}`
  const visitor = createVisitor()
  const start = await visitor.load(`${home}/_postern/start/P?return=/`)
  const callback = new URL(provider.signIn(start.location ?? ''))
  const back = await visitor.load(`${home}${callback.pathname}${callback.search}`)
  if (back.status !== 303) throw new Error(`the sign-in ended with ${back.status}`)
  return `Cookie: theme=dark; ${visitor.cookieHeader(home)}`
}

/** User and system time of a process, seconds. */
function cpu(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8')
    .replace(/^.*\) /, '')
    .split(' ')
  return (Number(fields[11]) + Number(fields[12])) / 100
}

interface Target {
  readonly name: string
  readonly server: Started
  readonly headers: readonly string[]
  readonly status: number
  /** The target it is compared with beside the pipe, round by round. */
  readonly against?: string
}

function load(target: Target, duration: number): { readonly perSecond: number; readonly micros: number } {
  const headers = target.headers.flatMap((header) => ['-H', header])
  const before = cpu(target.server.pid)
  const text = execFileSync(
    'wrk',
    [
      '-t1',
      '-c32',
      `-d${duration}s`,
      '-H',
      'Host: home.localhost',
      ...headers,
      `http://127.0.0.1:${target.server.port}/page?x=1`,
    ],
    { encoding: 'utf8' },
  )
  const used = cpu(target.server.pid) - before
  const requests = Number(/(\d+) requests in/.exec(text)?.[1])
  const wrong = Number(/Non-2xx or 3xx responses: (\d+)/.exec(text)?.[1] ?? 0)
  if (/Socket errors/.test(text)) throw new Error(`${target.name}: ${text}`)
  if (target.status === 200 ? wrong > 0 : wrong !== requests)
    throw new Error(`${target.name} answered another status than ${target.status}: ${wrong} of ${requests}`)
  return { perSecond: requests / duration, micros: (used / requests) * 1e6 }
}

const median = (numbers: readonly number[]): number =>
  [...numbers].sort((a, b) => a - b)[Math.floor(numbers.length / 2)] as number

async function bench(): Promise<void> {
  writeFileSync(join(folder, 'origin.mjs'), origin)
  const portal = await start([join(folder, 'origin.mjs')], /^(\d+)/)
  const pipe = await start([join(import.meta.dirname, 'pipe.ts'), `http://127.0.0.1:${portal.port}`], /(\d+)/)
  const rule = 'hd == "mycompany.com"'
  const claims = {
    email: 'anna@mycompany.com',
    email_verified: true,
    name: 'Anna Example',
    hd: 'mycompany.com',
    groups: ['staff', 'admins'],
  }
  const provider = await startCrookedProvider({ clientId: 'bench', clientSecret: 's3cret', claims })
  const { issuer } = provider
  const undici = await startPostern('undici', configuration(portal.port, 'undici', issuer, rule))
  const classic = await startPostern('http-proxy', configuration(portal.port, 'http-proxy', issuer, rule))
  const webseal = await startPostern('webseal', configuration(portal.port, 'undici', undefined, 'account == "anna"'))
  const refusing = await startPostern('refusing', configuration(portal.port, 'undici', issuer, 'hd == "other.org"'))
  const none = await startPostern('none', configuration(portal.port, 'undici', issuer))
  const ten = await startPostern('ten', configuration(portal.port, 'undici', issuer, ...tenRules))
  const asking = await startPostern('asking', configuration(portal.port, 'undici', issuer, ...requestRules))
  const redis = await startRedis()
  const replica = await startPostern('redis', kept(redis.url, portal.port, 'undici', issuer, rule))
  // the same key, portal and provider: one session opens all of them
  const cookie = await signIn(provider, undici)
  const targets: readonly Target[] = [
    { name: 'bare pipe (undici)', server: pipe, headers: [cookie], status: 200 },
    { name: 'signed in', server: undici, headers: [cookie], status: 200 },
    { name: 'header trust', server: webseal, headers: ['iv-user: anna', 'iv-groups: "staff","admins"'], status: 200 },
    { name: 'refused by a rule', server: refusing, headers: [cookie], status: 403 },
    { name: 'signed in, no rules', server: none, headers: [cookie], status: 200 },
    { name: 'signed in, ten rules', server: ten, headers: [cookie], status: 200, against: 'signed in, no rules' },
    { name: 'ten rules, five of the request', server: asking, headers: [cookie], status: 200, against: 'signed in, no rules' },
    {
      name: 'signed in, sessions in Redis',
      server: replica,
      headers: [await signIn(provider, replica)],
      status: 200,
      against: 'signed in',
    },
    { name: 'signed in, engine http-proxy', server: classic, headers: [cookie], status: 200 },
  ]
  for (const target of targets) load(target, 1) // warm up
  const results = targets.map((target) => ({
    target,
    micros: [] as number[],
    perSecond: [] as number[],
    ratio: [] as number[],
    more: [] as number[],
  }))
  for (let round = 0; round < rounds; round++) {
    const measured = results.map(({ target }) => load(target, seconds))
    measured.forEach(({ micros, perSecond }, i) => {
      results[i]?.micros.push(micros)
      results[i]?.perSecond.push(perSecond)
      results[i]?.ratio.push(micros / (measured[0]?.micros ?? 1))
      const other = targets.findIndex(({ name }) => name === targets[i]?.against)
      if (other >= 0) results[i]?.more.push(micros / (measured[other]?.micros ?? 1))
    })
    process.stdout.write(`round ${round + 1}: ${measured.map(({ micros }) => micros.toFixed(1)).join('  ')} µs\n`)
  }
  const rows = results.map(({ target, micros, perSecond, ratio, more }) => ({
    name: target.name,
    microsPerRequest: median(micros),
    requestsPerSecond: median(perSecond),
    ratio: median(ratio),
    ...(target.against === undefined ? {} : { against: target.against, more: median(more) }),
  }))
  process.stdout.write(`\n${'case'.padEnd(32)}${'CPU µs'.padStart(8)}${'req/s'.padStart(9)}${'ratio'.padStart(8)}\n`)
  await provider.close()
  await redis.close()
  for (const row of rows)
    process.stdout.write(
      `${row.name.padEnd(32)}${row.microsPerRequest.toFixed(1).padStart(8)}${row.requestsPerSecond.toFixed(0).padStart(9)}${row.ratio.toFixed(2).padStart(8)}${row.more === undefined ? '' : `  ${row.more.toFixed(2)} of "${row.against}"`}\n`,
    )
  process.stdout.write(
    `\nNode ${process.version}, ${rounds} interleaved rounds of ${seconds} s, access log on, medians; ratio is against the bare pipe of the same round.\n`,
  )
  if (values.json) writeFileSync(values.json, JSON.stringify({ node: process.version, rounds, seconds, rows }, undefined, 2))
}

for (const tool of ['wrk', 'redis-server']) {
  try {
    execFileSync(tool, ['--version'], { stdio: 'ignore' })
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') continue
    process.stderr.write(`bench needs ${tool} → apt-get install ${tool}\n`)
    process.exit(1)
  }
}
try {
  await bench()
} finally {
  for (const child of children) child.removeAllListeners('exit').kill()
  rmSync(folder, { recursive: true, force: true })
}
