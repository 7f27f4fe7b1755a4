// What Prometheus reads. Label children are kept, because looking one up costs more than counting.
import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client'

export interface Metrics {
  readonly registry: Registry
  /** Seconds. */
  request(portal: string, decision: string, status: number, seconds: number): void
  /** Seconds from the request to the first byte of the portal's answer. */
  upstream(portal: string, seconds: number): void
  signIn(provider: string, result: string): void
  refresh(provider: string, result: string): void
  rule(rule: string, result: 'allow' | 'refuse' | 'error'): void
  /** Seconds. */
  storeCall(operation: string, seconds: number): void
  storeError(operation: string): void
  /** Whether the store answers just now, 1 or 0, and how many ended sessions are remembered. Set by whoever knows. */
  store(isUp: () => boolean, revocations: () => number): void
  generation(number: number): void
  /** The portals whose own sign-in answers for now. */
  breakGlass(portals: readonly string[]): void
  /** Set by whoever can count them. */
  sessions(count: () => number): void
}

const seconds = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30]

export function createMetrics(): Metrics {
  const registry = new Registry()
  const registers = [registry]
  collectDefaultMetrics({ register: registry, prefix: 'postern_' })
  const requests = new Counter({
    name: 'postern_requests_total',
    help: 'Requests by portal, decision and status.',
    labelNames: ['portal', 'decision', 'status'],
    registers,
  })
  const duration = new Histogram({
    name: 'postern_request_duration_seconds',
    help: 'From the request to the end of its answer.',
    labelNames: ['portal'],
    buckets: seconds,
    registers,
  })
  const upstream = new Histogram({
    name: 'postern_upstream_duration_seconds',
    help: "From the request to the first byte of the portal's answer.",
    labelNames: ['portal'],
    buckets: seconds,
    registers,
  })
  const signIns = new Counter({
    name: 'postern_sign_ins_total',
    help: 'Sign-ins by provider and result.',
    labelNames: ['provider', 'result'],
    registers,
  })
  const refreshes = new Counter({
    name: 'postern_refreshes_total',
    help: 'Refreshes by provider and result: refreshed, ended, later, lost.',
    labelNames: ['provider', 'result'],
    registers,
  })
  const rules = new Counter({
    name: 'postern_rule_evaluations_total',
    help: 'Rules that were really evaluated; kept verdicts do not count.',
    labelNames: ['rule', 'result'],
    registers,
  })
  const storeErrors = new Counter({
    name: 'postern_store_errors_total',
    help: 'Failures of the session store by operation.',
    labelNames: ['operation'],
    registers,
  })
  const storeCalls = new Histogram({
    name: 'postern_store_duration_seconds',
    help: 'What a call of the session store took.',
    labelNames: ['operation'],
    buckets: seconds,
    registers,
  })
  let storeIsUp = () => true
  new Gauge({
    name: 'postern_store_up',
    help: 'The session store, and what replicas share, can be reached (1) or not (0). In cookie mode without Redis always 1.',
    registers,
    collect() {
      this.set(storeIsUp() ? 1 : 0)
    },
  })
  let countRevocations = () => 0
  new Gauge({
    name: 'postern_store_revocations',
    help: 'Ended sessions that are remembered until they would have ended by themselves.',
    registers,
    collect() {
      this.set(countRevocations())
    },
  })
  const generation = new Gauge({
    name: 'postern_config_generation',
    help: 'The configuration being served, counted from 1.',
    registers,
  })
  const glass = new Gauge({
    name: 'postern_break_glass',
    help: 'Portals that answer without a sign-in of ours (enforceLocal).',
    labelNames: ['portal'],
    registers,
  })
  let countSessions = () => 0
  new Gauge({
    name: 'postern_sessions',
    help: 'Sessions this process has seen lately.',
    registers,
    collect() {
      this.set(countSessions())
    },
  })

  const requestChild = kept((key: string) => requests.labels(...(key.split('\n') as [string, string, string])))
  const storeCallChild = kept((operation: string) => storeCalls.labels(operation))
  const durationChild = kept((portal: string) => duration.labels(portal))
  const upstreamChild = kept((portal: string) => upstream.labels(portal))
  return {
    registry,
    request(portal, decision, status, took) {
      requestChild(`${portal}\n${decision}\n${status}`).inc()
      durationChild(portal).observe(took)
    },
    upstream: (portal, took) => upstreamChild(portal).observe(took),
    signIn: (provider, result) => signIns.inc({ provider, result }),
    refresh: (provider, result) => refreshes.inc({ provider, result }),
    rule: (rule, result) => rules.inc({ rule, result }),
    storeCall: (operation, took) => storeCallChild(operation).observe(took),
    storeError: (operation) => storeErrors.inc({ operation }),
    store: (isUp, revocations) => {
      storeIsUp = isUp
      countRevocations = revocations
    },
    generation: (number) => generation.set(number),
    breakGlass: (portals) => {
      glass.reset()
      for (const portal of portals) glass.set({ portal }, 1)
    },
    sessions: (count) => {
      countSessions = count
    },
  }
}

function kept<T>(make: (key: string) => T): (key: string) => T {
  const known = new Map<string, T>()
  return (key) => {
    const child = known.get(key) ?? make(key)
    known.set(key, child)
    return child
  }
}
