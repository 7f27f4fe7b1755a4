// What compiling a configuration needs where nothing is served: no log, nothing that outlives the command.
import type { CompileContext } from '../config/compile.ts'
import type { Environment } from '../config/reading.ts'
import { createRevocations } from '../identity/sessions/revocations.ts'
import { createFlowMemory } from '../identity/signing-in/flow.ts'
import { createKeptRequests } from '../identity/signing-in/kept-request.ts'
import { createLogoutMemory } from '../identity/signing-out/logout-memory.ts'
import { createLog } from '../log.ts'
import { createMetrics } from '../metrics.ts'
import type { Clock } from '../types.ts'
import { egressProxyFrom } from './egress-proxy.ts'

export function quietContext(env: Environment, clock: Clock): CompileContext {
  const log = createLog({ write: () => undefined }, clock)
  return {
    log,
    metrics: createMetrics(),
    clock,
    number: 1,
    backing: { revocations: createRevocations({ log }), everywhere: false },
    memory: createFlowMemory(),
    kept: createKeptRequests({ clock }),
    logouts: createLogoutMemory(clock),
    egressProxy: egressProxyFrom(env),
  }
}
