// `postern check --online`: loads every provider's end points now, as the first sign-in would.
import type { Loaded } from '../config/load.ts'
import { createFlowMemory } from '../identity/flow.ts'
import { createKeptRequests } from '../identity/kept-request.ts'
import { createRevocations } from '../identity/revocations.ts'
import { createLog } from '../log.ts'
import { createMetrics } from '../metrics.ts'
import type { Probed } from './check.ts'
import { compileOrRefuse } from './compile-or-refuse.ts'
import { egressProxyFrom } from './egress-proxy.ts'

/** @returns the state of every provider that can be asked */
export async function probe(loaded: Loaded): Promise<readonly Probed[]> {
  const log = createLog({ write: () => undefined }, Date.now)
  const context = {
    log,
    metrics: createMetrics(),
    clock: Date.now,
    number: 1,
    revocations: createRevocations({ log }),
    memory: createFlowMemory(),
    kept: createKeptRequests({ clock: Date.now }),
    egressProxy: egressProxyFrom(process.env),
  }
  const { providers, parts } = compileOrRefuse(loaded, context)
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
