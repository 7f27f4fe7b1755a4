// `postern check`: every problem of a configuration at once. Loads all that a start would, starts nothing.
import { formatProblem } from '../config/format-problem.ts'
import { missingKeysOf } from '../config/incomplete.ts'
import { type Loaded, loadConfig } from '../config/load.ts'
import type { Environment } from '../config/reading.ts'
import type { ProviderConfig } from '../config/schema.ts'
import { isSignIn } from '../config/uris.ts'
import { ConfigError, type Problem } from '../errors.ts'
import type { ProviderStatus } from '../types.ts'

export interface Probed extends ProviderStatus {
  readonly provider: string
}
export interface CheckArguments {
  readonly config: string
  readonly online: boolean
  readonly withoutSecrets: boolean
  /** Default: the process's. */
  readonly env?: Environment
  /** Asks the providers of a configuration; used with `online`. */
  readonly probe?: (loaded: Loaded) => Promise<readonly Probed[]>
}
type Print = (line: string) => void

/** Prints every problem and a summary. @returns the exit code: 0, or 1 where there is an error */
export async function check(args: CheckArguments, out: Print, err: Print): Promise<number> {
  if (args.online && args.withoutSecrets) {
    err('postern: --online needs the secrets, --without-secrets leaves them out: use one of them')
    return 2
  }
  const { config, withoutSecrets, env } = args
  try {
    const loaded = await loadConfig(config, { withoutSecrets, ...(env && { env }) })
    return await report(loaded, args, out)
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error
    for (const problem of error.problems) out(formatProblem(problem))
    out(`${config}: ${counted(error.problems)}`)
    return 1
  }
}

async function report(loaded: Loaded, { config, online, probe }: CheckArguments, out: Print): Promise<number> {
  for (const warning of loaded.warnings) out(formatProblem(warning))
  for (const provider of loaded.config.providers) if (!provider.enabled) out(`note: ${unusedProvider(provider)}`)
  if (loaded.unusedRules.length > 0) out(`note: nothing names these rules of rulesDir: ${loaded.unusedRules.join(', ')}`)
  if (remembersAlone(loaded)) out(`note: ${alone}`)
  if (loaded.config.session.store === 'memory') out(`note: ${inMemory}`)
  const unreachable = online && probe ? printProbed(await probe(loaded), out) : 0
  const { portals, providers } = loaded.config
  const sizes = [amount(portals.length, 'portal'), amount(providers.length, 'provider'), amount(loaded.rules.size, 'rule')]
  out(
    `${config}: ${unreachable > 0 ? `${amount(unreachable, 'provider')} unavailable` : counted(loaded.warnings)} (${sizes.join(', ')})`,
  )
  return unreachable > 0 ? 1 : 0
}

/** A sealed cookie cannot be called back, and nothing tells the other replicas. */
function remembersAlone({ config: { session, server, providers } }: Loaded): boolean {
  const isShared = session.store !== 'cookie' || (server.state !== undefined && !server.state.startsWith('sqlite:'))
  return !isShared && providers.some((provider) => provider.enabled && isSignIn(provider))
}
const alone =
  'who signs out or is revoked is remembered by one process only (session.store: cookie): run one replica, or write session.store: redis://HOST:6379'

const inMemory = 'sessions live in this one process (session.store: memory): run one replica; a restart signs everybody out'

function unusedProvider(provider: ProviderConfig): string {
  const missing = missingKeysOf(provider)
  if (missing.length === 0) return `${provider.name} is disabled`
  return `${provider.name} is not configured: it lacks ${missing.join(', ')}`
}

/** @returns how many providers cannot be used */
function printProbed(probed: readonly Probed[], out: Print): number {
  for (const { provider, state, detail, endpoints } of probed) {
    out(`${provider}: ${state}${detail === undefined ? '' : `, ${detail}`}`)
    for (const [name, url] of Object.entries(endpoints ?? {})) out(`  ${name}  ${url}`)
  }
  return probed.filter(({ state }) => state === 'unavailable').length
}

const amount = (count: number, word: string): string => `${count} ${word}${count === 1 ? '' : 's'}`

function counted(problems: readonly Problem[]): string {
  const warnings = problems.filter(({ severity }) => severity === 'warning').length
  const errors = problems.length - warnings
  if (errors === 0) return warnings === 0 ? 'fine' : `fine, ${amount(warnings, 'warning')}`
  return warnings === 0 ? amount(errors, 'error') : `${amount(errors, 'error')}, ${amount(warnings, 'warning')}`
}
