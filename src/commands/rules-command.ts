// `postern rules test|record …`: words and files in, exit code out.
import { readFile, writeFile } from 'node:fs/promises'
import { dirname, join, resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { loadConfig } from '../config/load.ts'
import type { Environment } from '../config/reading.ts'
import type { Clock } from '../types.ts'
import { matrixOf, tableOf } from './rules-matrix.ts'
import { matrixPage } from './rules-matrix-page.ts'
import { rulesRecord } from './rules-record.ts'
import { rulesTest } from './rules-test.ts'

export interface RulesSurroundings {
  readonly env: Environment
  readonly clock: Clock
  /** Where neither --config nor the environment names one. */
  readonly config: string
  /** All of standard input. */
  readonly input: () => Promise<string>
  readonly out: (line: string) => void
  readonly err: (line: string) => void
}

const testUsage = 'write: postern rules test [DIR] [--min-coverage N] [--config FILE] [--matrix] [--people FILE] [--html FILE]'
const recordUsage = 'write: postern rules record [DIR] --from LOG|- | --request ID [--rule NAME] [--facts FILE] [--config FILE]'

/** @returns the exit code, or how it is to be written. Throws ConfigError, and what parseArgs throws. */
export async function rulesCommand(
  [action, ...args]: readonly string[],
  surroundings: RulesSurroundings,
): Promise<number | string> {
  if (action === 'test') return test(args, surroundings)
  if (action === 'record') return record(args, surroundings)
  return `${testUsage}\n         ${recordUsage}`
}

async function test(args: readonly string[], surroundings: RulesSurroundings): Promise<number | string> {
  const { values, positionals } = parseArgs({
    args: [...args],
    allowPositionals: true,
    options: {
      config: { type: 'string' },
      matrix: { type: 'boolean' },
      people: { type: 'string' },
      html: { type: 'string' },
      'min-coverage': { type: 'string' },
    },
  })
  const { out, env, clock } = surroundings
  const minCoverage = Number(values['min-coverage'] ?? 0)
  if (positionals.length > 1) return testUsage
  if (!(minCoverage >= 0 && minCoverage <= 100) || values['min-coverage'] === '')
    return '--min-coverage takes a number from 0 to 100'
  const isMatrix = values.matrix === true || values.html !== undefined || values.people !== undefined
  const config = values.config ?? surroundings.config
  const dir = positionals[0] ?? (values.config === undefined && !isMatrix ? 'rules' : await rulesDirOf(config, env))
  const code = await rulesTest(dir, out, { minCoverage })
  if (!isMatrix) return code
  const matrix = await matrixOf({ config, people: values.people ?? join(dir, 'people.yaml'), env, clock }, out)
  if (!matrix) return 1
  for (const line of tableOf(matrix.rows)) out(line)
  for (const note of matrix.notes) out(`note: ${note}`)
  if (values.html === undefined) return code
  return (await written(values.html, matrixPage(matrix, config), surroundings)) ? code : 1
}

async function rulesDirOf(file: string, env: Environment): Promise<string> {
  const { config, locate } = await loadConfig(file, { env, withoutSecrets: 'missing' })
  return resolve(dirname(locate(['rulesDir']).file), config.rulesDir)
}

async function written(file: string, text: string, { out, err }: RulesSurroundings): Promise<boolean> {
  try {
    await writeFile(file, text)
    out(`\n${file} is written`)
    return true
  } catch {
    err(`postern: ${file} cannot be written  → name another with --html FILE`)
    return false
  }
}

async function record(args: readonly string[], surroundings: RulesSurroundings): Promise<number | string> {
  const { values, positionals } = parseArgs({
    args: [...args],
    allowPositionals: true,
    options: {
      from: { type: 'string' },
      request: { type: 'string' },
      rule: { type: 'string' },
      facts: { type: 'string' },
      config: { type: 'string' },
    },
  })
  const { out, err, env, input } = surroundings
  if (positionals.length > 1 || (values.from === undefined && values.request === undefined)) return recordUsage
  const text = await textOf(values.from, values.request ?? '', values.config ?? surroundings.config, env, input)
  if ('trouble' in text) return refuse(text.trouble, err)
  const facts = values.facts === undefined ? undefined : await fileOf(values.facts)
  if (facts && 'trouble' in facts) return refuse(facts.trouble, err)
  const { request, rule } = values
  return rulesRecord({ target: positionals[0] ?? 'rules', text: text.text, request, rule, facts: facts?.text }, out, err)
}

function refuse(message: string, err: (line: string) => void): number {
  err(`postern: ${message}`)
  return 1
}

type Text = { readonly text: string } | { readonly trouble: string }

async function textOf(
  from: string | undefined,
  id: string,
  config: string,
  env: Environment,
  input: () => Promise<string>,
): Promise<Text> {
  if (from === undefined) return explanationOf(id, config, env)
  return from === '-' ? { text: await input() } : fileOf(from)
}

async function fileOf(file: string): Promise<Text> {
  const text = await readFile(file, 'utf8').catch(() => undefined)
  return text === undefined
    ? { trouble: `${file} cannot be read  → name a file that is there, or - for standard input` }
    : { text }
}

/** Milliseconds. */
const patience = 10_000

/** What the running Postern remembers of a refusal: its admin listener explains it. */
async function explanationOf(id: string, file: string, env: Environment): Promise<Text> {
  const { admin, adminToken } = (await loadConfig(file, { env, withoutSecrets: 'missing' })).config.server
  const url = new URL(`http://${hereFor(admin.host)}:${admin.port}/explain`)
  url.searchParams.set('request', id)
  const authorization = adminToken === undefined ? {} : { authorization: `Bearer ${adminToken}` }
  const answer = await fetch(url, {
    headers: { accept: 'application/json', ...authorization },
    redirect: 'error',
    signal: AbortSignal.timeout(patience),
  }).catch(() => undefined)
  if (!answer) return { trouble: `nobody answers at ${url.host}  → start Postern, or give its log with --from` }
  if (answer.status === 401) return { trouble: `${url.host} does not accept this  → look at server.adminToken` }
  if (answer.status !== 200)
    return { trouble: `${url.host} does not know the request ${id} (${answer.status})  → give the log with --from` }
  return { text: await answer.text() }
}

/** Where it listens everywhere, it is here, too. */
function hereFor(host: string): string {
  if (host === '0.0.0.0' || host === '') return '127.0.0.1'
  if (host === '::') return '[::1]'
  return host.includes(':') && !host.startsWith('[') ? `[${host}]` : host
}
