// `onSignOut` of the configuration -> what portals are told when their sessions end.
import type { Board } from '../board.ts'
import { joinReads, type Reads } from '../expression/compile.ts'
import { createOutboundCall } from '../identity/accounts/outbound-call.ts'
import type { SessionStore } from '../identity/sessions/session-store.ts'
import { createOnSignOut, type OnSignOut, type SignOutCall } from '../identity/signing-out/on-sign-out.ts'
import type { Log } from '../log.ts'
import type { Clock } from '../types.ts'
import { proxyFor } from './compile-enrolment.ts'
import type { Config, PortalConfig } from './schema.ts'

export interface SignOutContext {
  readonly log: Log
  readonly clock: Clock
  readonly egressProxy: (url: string) => string | undefined
  /** Absent: each end is told of once per process. */
  readonly board?: Board
  /** Absent where it keeps no sessions: time-outs are not told of. */
  readonly store?: Pick<SessionStore, 'takeExpired'>
}
export interface CompiledSignOut {
  readonly onSignOut: OnSignOut
  /** Portal name -> what its calls read of the person. */
  readonly reads: ReadonlyMap<string, Reads>
  /** What is being told is told to its end first. */
  readonly close: () => Promise<void>
}

/** undefined: no portal wants to be told. Throws ExpressionError or TypeError; the check has looked before. */
export function compileSignOut(config: Config, context: SignOutContext): CompiledSignOut | undefined {
  const wanting = config.portals.filter(({ onSignOut }) => onSignOut.length > 0)
  if (wanting.length === 0) return undefined
  const compiled = wanting.map((portal) => ({ portal, calls: callsOf(portal, config, context) }))
  const calls = new Map<string, readonly SignOutCall[]>()
  for (const { portal, calls: own } of compiled) {
    const audience = audienceOf(portal)
    calls.set(audience, [...(calls.get(audience) ?? []), ...own])
  }
  const onSignOut = createOnSignOut({ ...context, calls })
  return {
    onSignOut,
    reads: new Map(
      compiled.map(({ portal, calls: own }) => [portal.name, joinReads(own.map(({ call }) => call.reads))] as const),
    ),
    close: async () => {
      await onSignOut.settled()
      await Promise.all([...calls.values()].flat().map(({ call }) => call.close()))
    },
  }
}

const callsOf = ({ name: portal, onSignOut }: PortalConfig, config: Config, context: SignOutContext): readonly SignOutCall[] =>
  onSignOut.map(({ call, timeout }) => ({
    portal,
    timeout,
    call: createOutboundCall({ ...call, ...proxyFor(call.url, config, context) }),
  }))

/** As compile-portal.ts writes it into the session's rules. */
const audienceOf = ({ name, session: { group } }: PortalConfig): string => (group === undefined ? name : `group:${group}`)
