// `postern check --online`: loads every provider's end points now, as the first sign-in would.
import type { Loaded } from '../config/load.ts'
import type { Probed } from './check.ts'
import { compileOrRefuse } from './compile-or-refuse.ts'
import { quietContext } from './quiet-context.ts'

/** @returns the state of every provider that can be asked */
export async function probe(loaded: Loaded): Promise<readonly Probed[]> {
  const { providers, parts } = compileOrRefuse(loaded, quietContext(process.env, Date.now))
  const probed = [...providers.values()].flatMap((provider) =>
    provider.probe ? [provider.probe().then((status) => ({ provider: provider.name, ...status }))] : [],
  )
  try {
    return await Promise.all(probed)
  } finally {
    await parts.generation.close()
    await parts.forwarder.close()
  }
}
