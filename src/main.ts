#!/usr/bin/env node
// The command line's front: words in, exit code out. 0 fine, 1 the user's input is wrong, 2 wrong usage, 70 a bug of ours.
import { parseArgs } from 'node:util'
import manifest from '../package.json' with { type: 'json' }
import { nearest } from './config/did-you-mean.ts'
import { formatProblem } from './config/format-problem.ts'
import { ConfigError } from './errors.ts'

const usage = `postern COMMAND …

  serve [--config FILE] [--enforce-local[=PORTAL]]     runs; with --enforce-local the portal's own sign-in answers
  check [--config FILE] [--online] [--without-secrets] every problem of a configuration, with what to write instead
  uris [--config FILE] [--json]                        what to register at the identity providers
  explain --portal P --path PATH [--method M] [--provider N] [--claims FILE] [--client-ip IP] [--at TIME]
          [--json] [--config FILE]                     what would happen to this request by this person, and why
  explain --request ID [--json] [--config FILE]        why the running Postern refused that one
  rules test [DIR] [--min-coverage N]                  runs the cases beside each rule, and shows what they leave untried
  rules test [DIR] --config FILE --matrix [--people FILE] [--html FILE]
                                                       and who may do what at every portal
  rules record [DIR] --from LOG|- | --request ID [--rule NAME] [--facts FILE]
                                                       a refusal becomes a case, without the personal data
  links list [--account NAME] [--json]                 which account belongs to whom, asked of the running Postern
  links remove ID …                                    frees an account for the next first sign-in
  sessions list [--account NAME] [--provider N] [--portal P] [--json]
                                                       who is signed in, asked of the running Postern
  sessions revoke [--account NAME] [--provider N] [--portal P] [--json] | ID …
                                                       ends all sessions of which all of it holds, or these
  keygen                                               a new session key
  demo [--port N]                                      identity provider, sample portals and Postern on this machine

FILE defaults to config/postern.yaml, or POSTERN_CONFIG.
`

class UsageError extends Error {}

const out = (line: string): void => void process.stdout.write(`${line}\n`)
const err = (line: string): void => void process.stderr.write(`${line}\n`)

interface Flags {
  readonly config: string
  readonly online: boolean
  readonly json: boolean
  readonly account?: string | undefined
  readonly withoutSecrets: boolean
  readonly enforceLocal: readonly string[]
  readonly question: Readonly<Partial<Record<(typeof questionFlags)[number] | 'request', string>>>
  readonly positionals: readonly string[]
}

const questionFlags = ['portal', 'path', 'method', 'provider', 'claims', 'client-ip', 'at'] as const

const allowedFlags: Readonly<Record<string, readonly string[]>> = {
  serve: ['config', 'enforce-local'],
  check: ['config', 'online', 'without-secrets'],
  uris: ['config', 'json'],
  explain: ['config', 'json', ...questionFlags, 'request'],
  links: ['config', 'account', 'json'],
  sessions: ['config', 'account', 'provider', 'portal', 'json'],
  keygen: [],
  demo: ['port'],
}

function readFlags(command: string, args: readonly string[]): Flags & { readonly port: string | undefined } {
  const known = {
    config: { type: 'string' },
    online: { type: 'boolean' },
    json: { type: 'boolean' },
    'without-secrets': { type: 'boolean' },
    port: { type: 'string' },
    account: { type: 'string' },
    'enforce-local': { type: 'string', multiple: true },
    portal: { type: 'string' },
    path: { type: 'string' },
    method: { type: 'string' },
    provider: { type: 'string' },
    claims: { type: 'string' },
    'client-ip': { type: 'string' },
    at: { type: 'string' },
    request: { type: 'string' },
  } as const
  const { values, positionals, tokens } = parseArgs({
    // parseArgs knows no optional values: without a name it means every portal
    args: args.map((arg) => (arg === '--enforce-local' ? '--enforce-local=*' : arg)),
    options: known,
    allowPositionals: true,
    tokens: true,
  })
  for (const token of tokens) {
    if (token.kind === 'option' && !allowedFlags[command]?.includes(token.name))
      throw new UsageError(`${command} takes no --${token.name}`)
  }
  return {
    config: values.config ?? process.env['POSTERN_CONFIG'] ?? 'config/postern.yaml',
    online: values.online ?? false,
    json: values.json ?? false,
    withoutSecrets: values['without-secrets'] ?? false,
    port: values.port,
    account: values.account,
    enforceLocal: values['enforce-local'] ?? [],
    question: values,
    positionals,
  }
}

const commands: Readonly<Record<string, (args: readonly string[]) => Promise<number>>> = {
  serve: async (args) => {
    const flags = readFlags('serve', args)
    noPositionals('serve', flags)
    const { runServe } = await import('./commands/run-serve.ts')
    return runServe(flags.config, flags.enforceLocal, err)
  },
  check: async (args) => {
    const flags = readFlags('check', args)
    noPositionals('check', flags)
    const { check } = await import('./commands/check.ts')
    const { probe } = await import('./commands/probe.ts')
    return check({ ...flags, env: process.env, probe }, out, err)
  },
  uris: async (args) => {
    const flags = readFlags('uris', args)
    noPositionals('uris', flags)
    const { loadConfig } = await import('./config/load.ts')
    const { uris } = await import('./commands/uris.ts')
    const { config } = await loadConfig(flags.config, { env: process.env, withoutSecrets: 'missing' })
    return uris(config, { json: flags.json }, out)
  },
  explain: async (args) => {
    const flags = readFlags('explain', args)
    noPositionals('explain', flags)
    const { config, json, question } = flags
    const asked = askedOf(question)
    const { explainCommand } = await import('./commands/explain.ts')
    return explainCommand({ config, json, asked, env: process.env, clock: Date.now }, out, err)
  },
  rules: async (args) => {
    const { rulesCommand } = await import('./commands/rules-command.ts')
    const { text: input } = await import('node:stream/consumers')
    const config = process.env['POSTERN_CONFIG'] ?? 'config/postern.yaml'
    const surroundings = { env: process.env, clock: Date.now, config, input: () => input(process.stdin), out, err }
    const done = await rulesCommand(args, surroundings)
    if (typeof done === 'string') throw new UsageError(done)
    return done
  },
  links: async (args) => {
    const { positionals, account, json, config: file } = readFlags('links', args)
    const [action, ...ids] = positionals
    const isList = action === 'list' && ids.length === 0
    if (!isList && !(action === 'remove' && ids.length > 0 && account === undefined && !json))
      throw new UsageError('write: postern links list [--account NAME] [--json], or: postern links remove ID …')
    const { loadConfig } = await import('./config/load.ts')
    const { listLinks, removeLinks } = await import('./commands/links.ts')
    const { config } = await loadConfig(file, { env: process.env, withoutSecrets: 'missing' })
    if (!isList) return removeLinks(config, ids, out, err)
    return listLinks(config, { json, ...(account === undefined ? {} : { account }) }, out, err)
  },
  sessions: async (args) => {
    const { positionals, account, json, config: file, question } = readFlags('sessions', args)
    const [action, ...ids] = positionals
    const { provider, portal } = question
    const whose = Object.fromEntries(
      Object.entries({ account, provider, portal }).flatMap(([name, value]) => (value === undefined ? [] : [[name, value]])),
    )
    const isFiltered = Object.keys(whose).length > 0
    const isRight = action === 'list' ? ids.length === 0 : action === 'revoke' && isFiltered !== ids.length > 0
    if (!isRight)
      throw new UsageError('write: postern sessions list [FILTER] [--json], or: postern sessions revoke FILTER | ID … [--json]')
    const { loadConfig } = await import('./config/load.ts')
    const { listSessions, revokeSessions } = await import('./commands/sessions.ts')
    const { config } = await loadConfig(file, { env: process.env, withoutSecrets: 'missing' })
    if (action === 'list') return listSessions(config, { whose, json }, out, err)
    return revokeSessions(config, { whose, ids, json }, out, err)
  },
  keygen: async (args) => {
    noPositionals('keygen', readFlags('keygen', args))
    const { keygen } = await import('./commands/keygen.ts')
    return keygen(out)
  },
  demo: async (args) => {
    const flags = readFlags('demo', args)
    noPositionals('demo', flags)
    if (flags.port !== undefined && !/^\d{1,5}$/.test(flags.port)) throw new UsageError('--port takes a number')
    const { runDemo } = await import('./commands/run-demo.ts')
    return runDemo(flags.port === undefined ? undefined : Number(flags.port), out)
  },
}

function askedOf({ request, portal, path, ...more }: Flags['question']) {
  if (request !== undefined) {
    const other = questionFlags.find((name) => (name === 'portal' ? portal : name === 'path' ? path : more[name]) !== undefined)
    if (other !== undefined) throw new UsageError(`--request says it all: leave --${other} out`)
    return { request }
  }
  if (portal === undefined || path === undefined) throw new UsageError('explain needs --portal and --path, or --request')
  return {
    portal,
    path,
    method: more.method,
    provider: more.provider,
    claims: more.claims,
    clientIp: more['client-ip'],
    at: more.at,
  }
}

function noPositionals(command: string, flags: Flags): void {
  if (flags.positionals.length > 0) throw new UsageError(`${command} takes no ${flags.positionals[0]}`)
}

/** Node's own words for a mistyped option go on for too long. */
const plainly = (message: string): string => message.split('. To specify')[0] ?? message

const isUsage = (error: unknown): error is Error =>
  error instanceof UsageError ||
  (error instanceof TypeError && 'code' in error && String(error.code).startsWith('ERR_PARSE_ARGS'))

async function run(argv: readonly string[]): Promise<number> {
  const [command, ...args] = argv
  if (command === undefined || command === '--help' || command === '-h' || command === 'help') {
    ;(command === undefined ? err : out)(usage)
    return command === undefined ? 2 : 0
  }
  if (command === '--version' || command === '-v' || command === 'version') {
    out(manifest.version)
    return 0
  }
  if (args.includes('--help') || args.includes('-h')) {
    out(usage)
    return 0
  }
  const action = commands[command]
  if (!Object.hasOwn(commands, command) || !action) {
    const meant = nearest(command, Object.keys(commands))
    err(`postern: there is no command ${command}${meant ? `, did you mean ${meant}?` : ''}\n\n${usage}`)
    return 2
  }
  try {
    return await action(args)
  } catch (error) {
    if (isUsage(error)) {
      err(`postern: ${plainly(error.message)}\n\n${usage}`)
      return 2
    }
    if (error instanceof ConfigError) {
      for (const problem of error.problems) err(formatProblem(problem))
      return 1
    }
    throw error
  }
}

// `postern explain … | head`: whoever reads has read enough. What was begun is done, and its exit code stays its own
for (const stream of [process.stdout, process.stderr])
  stream.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code !== 'EPIPE') process.exit(74)
    // this one would not end by itself
    if (running === 'demo') process.exit(0)
  })

const [running] = process.argv.slice(2)
run(process.argv.slice(2))
  .then((code) => {
    process.exitCode = code
  })
  .catch((error: unknown) => {
    err(`postern: a bug of ours: ${error instanceof Error ? `${error.name}: ${error.message}` : 'unknown error'}`)
    process.exitCode = 70
  })
