// `postern serve` as a process: signals, standard output, exit code.
import { CannotListen } from '../connection/listen.ts'
import { standardOutput } from '../log.ts'
import { serve, UnknownPortal } from './serve.ts'

/** Runs until SIGTERM or SIGINT. Resolves to the exit code. */
export async function runServe(config: string, enforceLocal: readonly string[], err: (line: string) => void): Promise<number> {
  const destination = standardOutput()
  let serving: Awaited<ReturnType<typeof serve>>
  try {
    serving = await serve({ config, env: process.env, destination, ...enforcing(enforceLocal) })
  } catch (error) {
    destination.close()
    if (error instanceof CannotListen) {
      err(
        `postern: ${error.message}  → write another address under server.listen, server.health or server.admin, whichever it is`,
      )
      return 1
    }
    if (error instanceof UnknownPortal) {
      err(`postern: ${error.message}`)
      return 1
    }
    throw error
  }
  const reload = () => void serving.reload()
  process.on('SIGHUP', reload)
  // one request's bug must not end everybody's: it is logged, the request is refused by its own door
  process.on('unhandledRejection', (reason) =>
    destination.write(
      `${JSON.stringify({ time: new Date().toISOString(), level: 'error', log: 'server', msg: 'unhandled rejection', detail: String(reason instanceof Error ? reason.message : reason) })}\n`,
    ),
  )
  await new Promise<void>((stopped) => {
    const stop = () => void serving.drain().finally(stopped)
    process.once('SIGTERM', () => {
      process.once('SIGTERM', () => void serving.close().finally(stopped))
      stop()
    })
    process.once('SIGINT', () => void serving.close().finally(stopped))
  })
  process.off('SIGHUP', reload)
  destination.close()
  return 0
}

function enforcing(portals: readonly string[]): { readonly enforceLocal?: ReadonlySet<string> | 'all' } {
  if (portals.length === 0) return {}
  return { enforceLocal: portals.includes('*') ? 'all' : new Set(portals) }
}
