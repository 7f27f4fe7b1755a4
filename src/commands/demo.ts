// `postern demo`: wires the demo of a checkout to this very program. Owns only that; the demo itself lives in deploy/demo
// and must not be reached from the installed bundle, which has neither it nor its identity provider.
import type * as Start from '../../deploy/demo/start.ts'
import { serve } from './serve.ts'

/** The demo cannot run here. The message is meant for the person who typed the command. */
export class DemoUnavailable extends Error {
  override readonly name = 'DemoUnavailable'
}

const missing = new Set(['ERR_MODULE_NOT_FOUND', 'MODULE_NOT_FOUND'])

/** A module that is not there is the one thing a person can mend; everything else is reported as it is. */
function explained(error: unknown): unknown {
  if (!(error instanceof Error) || !missing.has(String((error as NodeJS.ErrnoException).code))) return error
  return new DemoUnavailable(
    'The demo needs a checkout with its development dependencies, which are not here → clone the repository, run `npm ci`, then `npm run demo`.',
    { cause: error },
  )
}

/**
 * Starts the demo's identity provider, its three portals and Postern on loopback; prints what to open and who may sign in, and
 * from then on Postern's log. It runs until `close`. `port` is the first choice for Postern's own; where that is not free, any
 * other is taken. Throws DemoUnavailable outside of a checkout.
 */
export async function demo(args: { readonly port?: number }, out: (line: string) => void): Promise<{ close(): Promise<void> }> {
  let announced = false
  const destination = { write: (text: string) => void (announced && out(text.trimEnd())) }
  try {
    // A computed address: a bundler must not pull the demo into the one file.
    const start: typeof Start = await import(new URL('../../deploy/demo/start.ts', import.meta.url).href)
    const running = await start.startDemo((given) => serve({ ...given, destination }), args.port)
    for (const line of start.describeDemo(running)) out(line)
    announced = true
    return running
  } catch (error) {
    throw explained(error)
  }
}
