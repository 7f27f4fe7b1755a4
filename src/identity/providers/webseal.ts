// Owns WebSEAL's identity headers as a credential: who may send them, what they say. Synchronous, as it runs on every request.
// Must not know: sessions, portals, what happens to the headers afterwards (they are stripped for everybody).
import { LRUCache } from 'lru-cache'
import type { Log } from '../../log.ts'
import type { AuthOutcome, Clock, Identity, Json, Provider, RequestView } from '../../types.ts'
import { foldAccount } from './account.ts'
import { type Encoding, MalformedHeader, readGroups, readUser } from './webseal-headers.ts'
import { compilePassword, compileSource, oncePerMinute, oneAddress, type TrustOptions } from './webseal-trust.ts'

export interface WebsealOptions extends TrustOptions {
  readonly name: string
  readonly label: string
  /** Where the client's address stands (`iv-remote-address`); believed from the trusted source only. */
  readonly clientAddressHeader?: string
  readonly userHeader: string
  readonly groupsHeader: string
  readonly encoding: Encoding
  /** What a trusted source without a user means. */
  readonly onMissing: 'deny' | 'anonymous' | 'login'
  /** Headers the portal may see as the trusted source sent them. */
  readonly passThrough: readonly string[]
  /** Refuse, instead of only stripping, identity headers of anybody else. */
  readonly strict: boolean
  readonly accountCase: 'keep' | 'lower'
  readonly logoutUrl: string
}

const absent: AuthOutcome = { kind: 'absent' }
const nobody: AuthOutcome = { kind: 'nobody' }
const keptPeople = 10_000
/** Of header values: people with very many groups push others out sooner. */
const keptCharacters = 16 * 1024 * 1024

/**
 * `iv-user` and `iv-groups` from a trusted source (WebSEAL guide, junctions `-c`, `-e`, `-b supply`). While the headers
 * stay the same, so does the Identity object: kept verdicts hang on it. The headers say nothing of when somebody signed in:
 * `authenticatedAt` is when this process first saw them. Throws TypeError on an address range that is none.
 */
export function createWebsealProvider(options: WebsealOptions, context: { readonly log: Log; readonly clock: Clock }): Provider {
  const isSource = compileSource(options)
  const isJunction = options.sharedSecret === undefined ? undefined : compilePassword(options.sharedSecret)
  const read = createReader(options, context.clock)
  const mayAudit = oncePerMinute(context.clock)
  const names = new Set([options.userHeader.toLowerCase(), options.groupsHeader.toLowerCase(), ...alwaysIdentity])
  const audit = (msg: string, request: RequestView) => {
    if (mayAudit(`${msg} ${request.peer.address}`)) {
      context.log.audit(msg, { provider: options.name, peer: request.peer.address, id: request.id })
    }
  }
  const isWhole = (request: RequestView): boolean => {
    const lines = isJunction ? request.lines('authorization') : []
    return !isJunction || (lines.length === 1 && isJunction(lines[0]!))
  }
  const fromOthers = (request: RequestView): AuthOutcome => {
    if (options.trustedSourceIps.length === 0) return absent
    if (![...names].some((name) => request.lines(name).length > 0)) return absent
    audit('identity headers from an untrusted peer', request)
    return options.strict ? rejected('untrusted-peer', `identity headers from ${request.peer.address}`) : absent
  }
  const clientAddressHeader = options.clientAddressHeader?.toLowerCase()

  return {
    name: options.name,
    protocol: 'WEBSEAL',
    label: options.label,
    logoutUrl: options.logoutUrl,
    recognize: (request) => {
      if (!isSource(request)) return fromOthers(request)
      if (isWhole(request)) return read(request)
      audit('wrong junction password', request)
      return rejected('wrong-junction-password', `from ${request.peer.address}`)
    },
    consumesAuthorization: (request) => isJunction !== undefined && request.lines('authorization').some(isJunction),
    clientAddressOf: (request) => {
      if (clientAddressHeader === undefined || !isSource(request) || !isWhole(request)) return undefined
      return oneAddress(request, clientAddressHeader)
    },
    assert: createAssert(options),
    status: () =>
      options.trustedSourceIps.length > 0 ? { state: 'ready' } : { state: 'ready', detail: 'off: trustedSourceIps is empty' },
  }
}

const alwaysIdentity = ['iv-user', 'iv-user-l', 'iv-groups', 'iv-creds']
type Rejection = Extract<AuthOutcome, { kind: 'rejected' }>
const rejected = (reason: Rejection['reason'], detail: string): Rejection => ({ kind: 'rejected', reason, detail })

/** Reads a trusted request; what two headers say is worked out once and kept. */
function createReader(options: WebsealOptions, clock: Clock): (request: RequestView) => AuthOutcome {
  const kept = new LRUCache<string, AuthOutcome>({
    max: keptPeople,
    maxSize: keptCharacters,
    sizeCalculation: (_, headers) => headers.length + 1,
  })
  const userHeader = options.userHeader.toLowerCase()
  const groupsHeader = options.groupsHeader.toLowerCase()
  const judge = createJudge(options, clock)
  return (request) => {
    const users = request.lines(userHeader)
    const groups = request.lines(groupsHeader)
    if (users.length > 1) return rejected('header-repeated', userHeader)
    if (groups.length > 1) return rejected('header-repeated', groupsHeader)
    // neither value can hold a line feed
    const key = `${users[0] ?? ''}\n${groups[0] ?? ''}`
    const known = kept.get(key)
    if (known) return known
    const outcome = judge(users[0] ?? '', groups[0] ?? '')
    if (outcome.kind === 'identified') kept.set(key, outcome)
    return outcome
  }
}

function createJudge(options: WebsealOptions, clock: Clock): (user: string, groups: string) => AuthOutcome {
  const isTagValue = options.userHeader.toLowerCase() !== 'iv-user'
  const passThrough = options.passThrough.map((name) => name.toLowerCase())
  return (rawUser, rawGroups) => {
    try {
      const user = readUser(rawUser, options.encoding, isTagValue)
      if (user === undefined) return missing(options)
      const account = foldAccount(user, options.accountCase)
      const groups = readGroups(rawGroups, options.encoding)
      return { kind: 'identified', identity: identityOf(options, account, groups, clock()), passThrough }
    } catch (error) {
      if (!(error instanceof MalformedHeader)) throw error
      return rejected(
        error.repeated ? 'header-repeated' : 'bad-request',
        `${options.userHeader} or ${options.groupsHeader}: ${error.message}`,
      )
    }
  }
}

/** The two headers as a trusted source would write them; groups also as a list. */
function createAssert(options: WebsealOptions): NonNullable<Provider['assert']> {
  const { encoding } = options
  const wire = (value: Json | undefined): string => {
    const all = (Array.isArray(value) ? value : [value ?? '']).map((one) => written(String(one), encoding))
    return Array.isArray(value) ? all.map((one) => `"${one.replaceAll('"', '%22')}"`).join(',') : (all[0] ?? '')
  }
  return async (claims, now) => {
    const of = (header: string) => Object.entries(claims).find(([name]) => name.toLowerCase() === header.toLowerCase())?.[1]
    return createJudge(options, () => now)(wire(of(options.userHeader)), wire(of(options.groupsHeader)))
  }
}

/** What no header can hold is encoded; what is percent-encoded already stays. */
function written(text: string, encoding: Encoding): string {
  if (encoding === 'utf8_bin') return Buffer.from(text, 'utf8').toString('latin1')
  if (encoding === 'lcp_uri') return text
  return text.replace(/[^\u0020-\u007e]+/gu, (odd) => encodeURIComponent(odd.toWellFormed()))
}

function missing({ onMissing, userHeader }: WebsealOptions): AuthOutcome {
  if (onMissing === 'deny') return rejected('identity-missing', `${userHeader} names nobody`)
  return onMissing === 'anonymous' ? nobody : absent
}

function identityOf(options: WebsealOptions, account: string, groups: readonly string[], now: number): Identity {
  const claims = { [options.userHeader.toLowerCase()]: account, [options.groupsHeader.toLowerCase()]: groups }
  return {
    provider: options.name,
    issuer: `webseal:${options.name}`,
    subject: account,
    account,
    groups,
    claims,
    authenticatedAt: now,
  }
}
