// One request from its first byte to its access line. Carries a decision out; knows nothing of how it was decided.
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Duplex } from 'node:stream'
import { afterSignOut, decide } from '../decide.ts'
import { describe, PosternError, type Reason } from '../errors.ts'
import type { Refusal } from '../explanation/refusals.ts'
import type { Log } from '../log.ts'
import type { Metrics } from '../metrics.ts'
import type { Allow, Clock, Decision, Identity, Portal, RequestView } from '../types.ts'
import type { Exchange, Outcome } from '../upstream/forward.ts'
import { isKeepable, type Keepable, keepForm } from './keep-body.ts'
import type { OwnOutcome } from './own-endpoints.ts'
import type { Served } from './served.ts'

export interface VisitContext {
  readonly log: Log
  readonly metrics: Metrics
  readonly clock: Clock
  /** Monotonic milliseconds, for durations only. */
  readonly ticks: () => number
  readonly accessLog: boolean
  /** For whoever asks why. */
  readonly onRefusal?: (refusal: Refusal) => void
}

export interface Upgrade {
  readonly socket: Duplex
  readonly head: Buffer
}

export class Visit implements Exchange {
  readonly request: RequestView
  readonly incoming: IncomingMessage
  readonly #response: ServerResponse
  readonly #upgrade: Upgrade | undefined
  readonly #context: VisitContext
  readonly #served: Served
  readonly #leave: (served: Served) => void
  readonly #started: number
  #decision: Decision | undefined
  #finished = false

  constructor(
    context: VisitContext,
    served: Served,
    request: RequestView,
    wire: { incoming: IncomingMessage; response: ServerResponse; upgrade: Upgrade | undefined },
    leave: (served: Served) => void,
  ) {
    this.#context = context
    this.#served = served
    this.#started = context.ticks()
    this.#response = wire.response
    this.#upgrade = wire.upgrade
    this.#leave = leave
    this.incoming = wire.incoming
    this.request = request
  }

  /** Only read by upstream/, which is only called with an Allow. */
  get allow(): Allow {
    return this.#decision as Allow
  }

  begin(expectsContinue: boolean): void {
    try {
      const decision = decide(this.request, this.#served.parts.generation, this.#context.clock())
      if (!(decision instanceof Promise)) return this.#carryOut(decision, expectsContinue)
      decision.then((known) => this.#carryOut(known, expectsContinue)).catch((error: unknown) => this.#fail(error))
    } catch (error) {
      this.#fail(error)
    }
  }

  #carryOut(decision: Decision, expectsContinue: boolean): void {
    this.#decision = decision
    const { parts } = this.#served
    const response = this.#response
    if (response.destroyed || this.incoming.socket.destroyed)
      return this.#finish({ status: 499, bytes: 0, failure: 'client-gone' })
    if (decision.kind === 'allow') {
      if (decision.endsSession) return this.#signOut(decision, expectsContinue)
      if (this.#upgrade) return parts.forwarder.upgrade(this, this.#upgrade.socket, this.#upgrade.head)
      if (expectsContinue) response.writeContinue()
      return parts.forwarder.forward(this, response)
    }
    if (decision.kind === 'own') {
      const done = (own: OwnOutcome) => {
        const { because, rule, detail, refused } = own
        if (because && own.sent.status >= 400)
          this.#remember({ portal: decision.portal, reason: because, rule, detail, identity: refused })
        this.#finish(own.sent, own)
      }
      return parts.own.answer(
        { request: this.request, portal: decision.portal, endpoint: decision.endpoint, done },
        this.incoming,
        response,
      )
    }
    // one that leads to the sign-in turns nobody away, and whom nobody knows is only asked who they are
    if (decision.kind === 'deny' || (!decision.redirect && decision.identity)) this.#remember(decision)
    if (isKeepable(decision, this.request)) return this.#keep(decision, expectsContinue)
    if (bringsBody(this.incoming)) response.shouldKeepAlive = false // nobody waits for the rest of a body that nobody wants
    this.#finish(parts.reply.denied(decision, this.request, response))
  }

  /** The portal's own sign-out: the session is over before the portal hears of it, and whatever it answers. */
  #signOut(decision: Allow, expectsContinue: boolean): void {
    this.#served.parts.own
      .ended(decision, this.request)
      .then((cookies) => this.#carryOut(afterSignOut(decision, cookies), expectsContinue))
      .catch((error: unknown) => this.#fail(error))
  }

  /** What somebody has typed waits until they have signed in again. */
  #keep(decision: Keepable, expectsContinue: boolean): void {
    const { kept, reply } = this.#served.parts
    if (expectsContinue) this.#response.writeContinue()
    keepForm(decision, this.request, this.incoming, kept)
      .then((challenge) => {
        if (this.#response.destroyed) return this.#finish({ status: 499, bytes: 0, failure: 'client-gone' })
        if (!this.incoming.complete) this.#response.shouldKeepAlive = false
        this.#finish(reply.denied(challenge, this.request, this.#response))
      })
      .catch((error: unknown) => this.#fail(error))
  }

  readonly refuse = (reason: Reason, detail: string): void => {
    this.#context.log.server('warn', 'the portal did not answer as it should', {
      id: this.request.id,
      portal: this.#decision?.portal?.name ?? '',
      reason,
      detail,
    })
    if (!this.#response.headersSent && !this.#response.destroyed) this.#replyWith(reason)
  }

  readonly done = (outcome: Outcome): void => {
    if (outcome.upstreamMs !== undefined && this.#decision?.portal)
      this.#context.metrics.upstream(this.#decision.portal.name, outcome.upstreamMs / 1000)
    this.#finish(outcome)
  }

  /** Where it was only asked, not refused, this is never called. */
  #remember(refused: Remembered): void {
    const { onRefusal, clock } = this.#context
    if (!onRefusal) return
    const { id, method, host, path } = this.request
    const { generation } = this.#served.parts
    const { kind, reason, identity, rule, message, detail, portal = generation.findPortal(host, path) } = refused
    onRefusal({
      id,
      at: clock(),
      generation: generation.number,
      method,
      host: portal ? host : '',
      path,
      clientIp: this.#clientAddress(identity?.provider ?? ''),
      portal: portal?.name ?? '',
      reason,
      ...(kind === 'challenge' ? { kind } : {}),
      ...(rule ? { rule } : {}),
      ...(message === undefined ? {} : { message }),
      ...(detail === undefined ? {} : { detail }),
      ...(identity ? { identity } : {}),
    })
  }

  #replyWith(reason: Reason): void {
    const { status } = describe(reason)
    const retryAfter = status === 502 || status === 503 ? { retryAfter: 5 } : {}
    this.#served.parts.reply.failed({ status, reason, requestId: this.request.id, ...retryAfter }, this.request, this.#response)
  }

  /** Whatever was thrown on the way: refused with the reason it carries, or as an error of ours; never let through. */
  #fail(error: unknown): void {
    const reason: Reason = error instanceof PosternError ? error.reason : 'internal'
    const detail =
      error instanceof PosternError ? error.detail : error instanceof Error ? `${error.name}: ${error.message}` : 'unknown error'
    this.#context.log.server('error', 'a request failed', {
      id: this.request.id,
      portal: this.#decision?.portal?.name ?? '',
      reason,
      detail,
    })
    this.#remember({ reason, detail, portal: this.#decision?.portal })
    try {
      if (this.#response.headersSent || this.#response.destroyed) this.#response.destroy()
      else this.#replyWith(reason)
    } finally {
      this.#finish({ status: describe(reason).status, bytes: 0, failure: reason })
    }
  }

  #finish(outcome: Outcome, own?: OwnOutcome): void {
    if (this.#finished) return
    this.#finished = true
    const { log, metrics, ticks, accessLog } = this.#context
    const decision = this.#decision
    const ms = ticks() - this.#started
    metrics.request(decision?.portal?.name ?? '', decision?.kind ?? 'fail', outcome.status, ms / 1000)
    if (accessLog) this.#logAccess(outcome, ms, own)
    const detail = outcome.detail ?? own?.detail ?? decision?.detail
    if (detail !== undefined)
      log.server('info', 'why', { id: this.request.id, reason: outcome.failure ?? own?.reason ?? decision?.reason ?? '', detail })
    this.#leave(this.#served)
  }

  #logAccess(outcome: Outcome, ms: number, own: OwnOutcome | undefined): void {
    const decision = this.#decision
    const identity = decision?.identity
    const provider = own?.provider ?? identity?.provider ?? ''
    this.#context.log.access({
      id: this.request.id,
      method: this.request.method,
      path: this.request.path,
      status: outcome.status,
      ms: Math.round(ms * 1000) / 1000,
      bytes: outcome.bytes,
      portal: decision?.portal?.name ?? '',
      decision: decision?.kind ?? 'fail',
      reason: outcome.failure ?? own?.reason ?? decision?.reason ?? 'internal',
      provider,
      credentials: this.#served.parts.credentials.get(provider) ?? '',
      rule: own?.rule ?? decision?.rule ?? '',
      account: own?.account ?? identity?.account ?? '',
      clientIp: this.#clientAddress(provider) ?? '',
    })
  }

  /** As the trusted source in front says it, where there is one. */
  #clientAddress(provider: string): string | null {
    const portal = this.#decision?.portal
    if (portal && provider !== '') {
      for (const candidate of portal.providers) {
        const address = candidate.name === provider ? candidate.clientAddressOf?.(this.request) : undefined
        if (address !== undefined) return address
      }
    }
    return this.request.clientAddress
  }
}

interface Remembered {
  readonly kind?: Decision['kind']
  readonly reason: Reason
  readonly portal?: Portal | undefined
  readonly identity?: Identity | undefined
  readonly rule?: string | undefined
  readonly message?: string | undefined
  readonly detail?: string | undefined
}

/** `complete` is not known yet where a request has just begun. */
const bringsBody = ({ complete, headers }: IncomingMessage): boolean =>
  !complete && (headers['transfer-encoding'] !== undefined || (headers['content-length'] ?? '0') !== '0')
