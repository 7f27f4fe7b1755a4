// The words this program thinks in. Imports nothing; every stage imports it.

import type { Reason } from './errors.ts'

export type Json = string | number | boolean | null | readonly Json[] | { readonly [key: string]: Json }
/** Epoch milliseconds, always taken from a Clock. */
export type Instant = number
export type Clock = () => Instant

/** Who holds the other end of the TCP connection. Kept per connection, judged once per generation. */
export interface Peer {
  /** Canonical text of the address: `::ffff:10.0.0.1` is `10.0.0.1`. */
  readonly address: string
  /** In `server.trustedProxies`: its `X-Forwarded-*` are believed. */
  readonly isTrustedProxy: boolean
  /** Names in a client certificate that the listener verified: subject CN, full subject, SAN entries. Empty without one. */
  readonly certificateNames: readonly string[]
}

/** One HTTP request as the core sees it: plain data, no socket. Only a door builds one. */
export interface RequestView {
  readonly id: string
  readonly method: string
  /** Lower case, without port and trailing dot. */
  readonly host: string
  /** Canonical: the very bytes that are matched are forwarded. */
  readonly path: string
  /** With its `?`, exactly as it came; empty where there is none. */
  readonly query: string
  /** All Cookie lines as one, empty where there is none. */
  readonly cookies: string
  /** Every value of the header with exactly this (lower-case) name, one entry per line, as latin1 text. */
  lines(name: string): readonly string[]
  readonly peer: Peer
  readonly clientAddress: string | null
  /** A browser loading a page: may be sent to sign in. An iframe or a prefetch is not. */
  readonly navigation: boolean
  /** A document for an iframe: gets a page, never a redirect to a sign-in it could not show. */
  readonly frame?: boolean
  /** `%2F` stands in the path: only a route with `encodedSlash: allow` takes it. */
  readonly encodedSlash?: boolean
  /** A WebSocket upgrade. */
  readonly upgrade?: boolean
  /** Fields of a posted form: only on our own endpoints, size-capped by the door. */
  readonly form?: URLSearchParams
}

/** Somebody, as one provider asserts them. `subject` is unique only within `issuer`. */
export interface Identity {
  readonly provider: string
  readonly issuer: string
  readonly subject: string
  /** What the portal calls this person: the value of the provider's `accountAttribute`. Never empty. */
  readonly account: string
  readonly name?: string
  readonly email?: string
  readonly groups: readonly string[]
  /** Everything asserted, unmapped: the rules' raw material. */
  readonly claims: Readonly<Record<string, Json>>
  readonly authenticatedAt: Instant
  /** The provider said when it asked the person (`auth_time`); else `authenticatedAt` is when they came back. */
  readonly authTimeKnown?: true
  /** acr / AuthnContextClassRef */
  readonly assurance?: string
  /**
   * Learnt at sign-in beside what was asserted (post-login actions): facts laid over the claims, never over reserved names.
   * Null: asked for and not learnt; then the fact is missing, whatever a claim of its name says.
   */
  readonly added?: Readonly<Record<string, Json>>
  /** The profile that shaped account and groups. */
  readonly profile?: ShapedProfile
}
/** The fact `profile`: which one matched, and what it says of the person. */
export interface ShapedProfile {
  readonly name: string
  readonly attributes: Readonly<Record<string, Json>>
}

export interface Session {
  /** Random; never derived from the identity. */
  readonly id: string
  /** The portal or session group it opens, and nothing else. */
  readonly audience: string
  readonly identity: Identity
  readonly createdAt: Instant
  /** The fingerprint of the provider it came from. */
  readonly madeBy?: string
  /** Second factors that were shown, `factorKey` of the provider -> when. */
  readonly factors?: Readonly<Record<string, Instant>>
  readonly idleUntil: Instant
  readonly endsAt: Instant
  /** What the provider needs again (ID token for end_session, its `sid`). Sealed; no rule sees it. */
  readonly keep?: Json
  /** The same for every session of ours that came from one sign-in at the provider. Opaque. */
  readonly providerSession?: string
  /** Chose the portal's own sign-in: `identity` names the provider and nobody, and must not be used. */
  readonly local?: true
  /** Only where the provider's tokens are kept (`refresh`). Secret: no fact, log line or page has them. */
  readonly tokens?: Tokens
  /** Counts what was changed behind the browser's back. */
  readonly revision: number
  /** Opens nothing yet: its person is asked whether another of their sessions shall end for it. */
  readonly waits?: true
}
/** What a provider gave for later. */
export interface Tokens {
  readonly access: string
  /** When `access` ends; absent: not said. */
  readonly accessEndsAt?: Instant
  /** Absent: there is none, or it may have been used up by a process that died. */
  readonly refresh?: string
  /** From then on the provider is asked again; absent: never. */
  readonly refreshAt?: Instant
  /** `refresh` is on its way to the provider since then, and must not be sent by anybody else. */
  readonly spentAt?: Instant
}

/** What a provider may say about a request. A provider returns; it never writes a response. */
export type AuthOutcome =
  /** No credential of mine here: ask the next provider. */
  | { readonly kind: 'absent' }
  /** Whoever is allowed to say so says that nobody is signed in: stop asking, offer no sign-in. */
  | { readonly kind: 'nobody' }
  /** `passThrough`: lower-case names of request headers this trusted source may hand to the portal. */
  | {
      readonly kind: 'identified'
      readonly identity: Identity
      readonly endsAt?: Instant
      readonly keep?: Json
      readonly passThrough?: readonly string[]
      /** For calls at the sign-in itself. Never kept: no session, no fact, no log line has it. */
      readonly accessToken?: string
      /** For the session, where the provider is configured to refresh. */
      readonly tokens?: Tokens
    }
  /** Chose the portal's own sign-in: let through without identity where no rule of a route wants more. */
  | { readonly kind: 'local'; readonly provider: string }
  /** Mine, and bad: stop asking. */
  | { readonly kind: 'rejected'; readonly reason: Reason; readonly detail: string }
  /** Cannot tell: fail closed. */
  | {
      readonly kind: 'unavailable'
      readonly detail: string
      readonly retryAfter?: number
      /** Default: `provider-unavailable`. */
      readonly reason?: Reason
    }

/** One way of learning who somebody is. At least one of `recognize` and `login` is present. */
export interface Provider {
  readonly name: string
  /** Upper case: OIDC, WEBSEAL, … */
  readonly protocol: string
  /** The button: "Login with LABEL". */
  readonly label: string
  readonly credentialsName?: string
  /** The credential travels with every request. Synchronous where nothing is awaited. */
  recognize?(request: RequestView): AuthOutcome | Promise<AuthOutcome>
  /** The Authorization header of this request is a credential of ours: the portal never sees it, on any route. */
  consumesAuthorization?(request: RequestView): boolean
  /** Where somebody whose credential travels (no session of ours) signs out. */
  readonly logoutUrl?: string
  /** The client's address as this trusted source says it; undefined: not a request of its. */
  clientAddressOf?(request: RequestView): string | null | undefined
  /** A person is sent away and comes back. */
  readonly login?: Login
  /** What is asked at the start of a sign-in, and of what comes back. Only where there is a `login`. */
  readonly asking?: ProviderAsking
  /** Of what makes its people who they are: issuer, client, account. A session made under another is nobody. */
  readonly fingerprint?: string
  /**
   * Who somebody with these claims is, checked as at a sign-in; or as in the headers of a trusted source. For explanations only:
   * nothing here is signed. Never rejects.
   */
  assert?(claims: Readonly<Record<string, Json>>, now: Instant): Promise<AuthOutcome>
  /** For `/config` and `check --online`: never throws, never shows a secret. */
  status?(): ProviderStatus
  /** Asks now for what is otherwise asked when first needed (`check --online`). Never throws. */
  probe?(): Promise<ProviderStatus>
  close?(): Promise<void>
}
/**
 * How people get to a provider and what they bring there. Expressions read the facts known at the start: of the person who
 * is signed in already (a second factor, a fresher sign-in), else of nobody; and `login_hint`, where somebody typed one.
 */
export interface ProviderAsking {
  /** E-mail domains of its people, lower case; `*.company.com` stands for one label more. */
  readonly domains?: readonly string[]
  /** Query parameters of our start endpoint that go on to the provider. */
  readonly passParameters?: readonly string[]
  /** Never rejects; undefined: no hint. Absent: what somebody typed, where `passParameters` holds `login_hint`. */
  readonly loginHint?: (facts: Facts) => Promise<string | undefined>
  /** The returned claim must be this text. `expected` never rejects; where it knows nothing, nobody gets in. */
  readonly verify?: { readonly claim: string; readonly expected: (facts: Facts) => Promise<string | undefined> }
  /** Another provider of the portal, where people go while this one cannot be reached. */
  readonly fallback?: string
}
export interface ProviderStatus {
  readonly state: 'ready' | 'not-asked-yet' | 'unavailable'
  readonly detail?: string
  readonly endpoints?: Readonly<Record<string, string>>
}
export interface Login {
  /** Throws PosternError('provider-unavailable') where the provider cannot be reached. */
  begin(start: LoginStart): Promise<LoginStep>
  /** `flow` is what begin returned; `callback` the exact redirect URI that was sent. */
  complete(back: RequestView, flow: Json, at: { readonly callback: string; readonly state: string }): Promise<AuthOutcome>
  /**
   * Asks the provider again, with the refresh token of `session.tokens`. Sends it once and never again by itself. Throws RenewalError.
   * Absent: this provider's people are not refreshed.
   */
  renew?(session: Session): Promise<Extract<AuthOutcome, { kind: 'identified' }>>
  /** A logout token of the provider (OpenID Connect Back-Channel Logout 1.0), checked. Throws PosternError('logout-token-refused' | 'provider-unavailable'). */
  readLogoutToken?(token: string): Promise<LoggedOut>
  /**
   * The issuer of the people whom a message with this `iss` is about; asks nobody. undefined: not this provider's, or nothing is known
   * of the provider yet.
   */
  issuerOf?(iss: string): string | undefined
  /** Where the person goes to be signed out at the provider; undefined: nowhere. */
  end?(session: Session, returnTo: URL): Promise<Show | undefined>
}
/** Whom a provider has signed out: one of its sessions, or a person with all of them. */
export interface LoggedOut {
  readonly issuer: string
  readonly sid?: string
  readonly subject?: string
  /** The token's own id, and when it ends: it counts once. */
  readonly jti: string
  readonly endsAt: Instant
}
export interface LoginStart {
  /** Sealed; the only thing that travels in `state`. */
  readonly state: string
  readonly callback: string
  readonly prompt?: string
  /** Seconds. */
  readonly maxAge?: number
  readonly acr?: string
  /** The provider really asks the person: `complete` refuses where it does not say that it did since the start. */
  readonly fresh?: boolean
  readonly loginHint?: string
  readonly extra?: Readonly<Record<string, string>>
}
export interface LoginStep {
  readonly show: Show
  /** nonce, PKCE verifier: sealed, short-lived, used once. */
  readonly flow: Json
}

/** The answer of one of our own endpoints. */
export interface Answer {
  /** Default 200 for pages and documents, 303 for redirects. */
  readonly status?: number
  readonly show: Show
  /** Set-Cookie values. */
  readonly cookies: readonly string[]
  /** Further headers, flat name, value. */
  readonly headers?: readonly string[]
  /** For the access log; default `own-endpoint`. */
  readonly reason?: Reason
  /** For the access log's `reason` where the contract has words of its own, e.g. `Redirection timeout`. */
  readonly words?: string
  readonly provider?: string
  readonly account?: string
  /** Whom a rule turned away at the callback, for explanations. */
  readonly refused?: Identity
}
/** What identify says of a request: an outcome, the cookies it wants set, the session it read. */
export interface Identified {
  readonly outcome: AuthOutcome
  readonly cookies: readonly string[]
  readonly session?: Session
  /** The session that was over: whose it was, for what they had typed. */
  readonly expired?: Session
}

/** What the browser must do next. Data, so that every door can render or refuse it. */
export type Show =
  | { readonly kind: 'redirect'; readonly to: string }
  | { readonly kind: 'page'; readonly page: Page }
  | { readonly kind: 'document'; readonly type: string; readonly body: string }

/** The pages of our own. Everything in them is untrusted text until views/ escapes it. */
export type Page =
  | {
      readonly name: 'chooser'
      readonly choices: readonly Choice[]
      readonly returnTo: string
      readonly notice?: string
      readonly email?: EmailQuestion
      /** The one choice is gone to by itself, as a navigation of its own: a form's may not be sent on to another origin. */
      readonly forward?: true
    }
  | { readonly name: 'refused'; readonly failure: Failure }
  | {
      readonly name: 'confirm-sign-out'
      readonly action: string
      readonly account?: string
      readonly formTargets: readonly string[]
    }
  | { readonly name: 'signed-out'; readonly signInAgain: string; readonly stillSignedInAt?: string }
  /** Signed in at as many places as are allowed: shall the oldest end? Two forms, to go on and to leave it. */
  | {
      readonly name: 'displace'
      readonly action: string
      readonly cancel: string
      readonly account: string
      /** When the person signed in at the others, the oldest first. */
      readonly since: readonly Instant[]
      /** How many of them end. */
      readonly ends: number
    }
  /** Goes on by itself, as a navigation of its own: a form's may not be sent on to another origin. */
  | { readonly name: 'displaced'; readonly onward: string }
  /** Posts what somebody had typed to where they had sent it. */
  | {
      readonly name: 'resume'
      readonly action: string
      readonly fields: readonly (readonly [name: string, value: string])[]
      readonly formTargets: readonly string[]
    }
/** Who knows the e-mail address knows the provider: a GET form. */
export interface EmailQuestion {
  readonly action: string
  /** Hidden fields. */
  readonly fields: readonly (readonly [name: string, value: string])[]
  /** What was typed, where no provider was found for it. */
  readonly unknown?: string
}
export interface Choice {
  /** Of a provider: "Login with LABEL". Of the portal's own sign-in: the whole text. */
  readonly label: string
  readonly isLocal?: boolean
  readonly href: string
  readonly isDefault: boolean
  /** Why it cannot be used just now. */
  readonly trouble?: Reason
}
/** A refusal or a failure, as a person or a machine is told. */
export interface Failure {
  readonly status: number
  readonly reason: Reason
  readonly requestId: string
  /** The rule's own message, instead of the catalogue's sentence. */
  readonly message?: string
  readonly rule?: string
  readonly provider?: string
  readonly account?: string
  /** Absolute path of our own start or chooser endpoint. */
  readonly signIn?: string
  readonly otherAccount?: string
  /** Absolute path of the portal's page to open instead. */
  readonly page?: string
  /** Other providers, offered when one is down. */
  readonly choices?: readonly Choice[]
  /** Seconds. */
  readonly retryAfter?: number
  /** `WWW-Authenticate`, for a machine. */
  readonly challenge?: string
  /** When the person signed in at other places, where these are too many. */
  readonly signedInSince?: readonly Instant[]
}

/** One protected application, compiled: nothing in it is parsed again while serving. */
export interface Portal {
  readonly name: string
  /** Scheme, host and port people type: `https://home.company.com`. */
  readonly origin: string
  /** Path prefix it owns, `/` or `/a` (no trailing slash). */
  readonly path: string
  /** Never with a path. */
  readonly upstream: URL
  readonly upstreamTls?: UpstreamTls
  readonly providers: readonly Provider[]
  /** Straight through to this one, without the chooser. */
  readonly defaultProvider?: string
  /** Who must be asked beside the first provider. None of them makes a session alone. */
  readonly secondFactors: readonly SecondFactor[]
  /** Provider name -> when it may be used at all; absent: always. Reads the request, never the person. */
  readonly conditions: ReadonlyMap<string, Condition>
  /** The portal's own sign-in answers, because ours cannot: identity stripped, blocked routes open. */
  readonly breakGlass?: BreakGlass
  readonly routes: readonly Route[]
  readonly session: SessionRules
  readonly preserveHost: boolean
  /** `strip` takes every Authorization header away from the portal. */
  readonly authorization: 'pass' | 'strip'
  readonly pathCase: 'sensitive' | 'insensitive'
  readonly allowedOrigins: ReadonlySet<string>
  readonly compat: 'none' | 'webseal'
  /** `warn`: a rule that refuses is logged and let through; nobody passes a sign-in. */
  readonly mode: 'enforce' | 'warn'
  readonly healthPath: string
  readonly healthTimeout: number
  /** Flat name of the header that carries the access token; absent: the portal gets none. */
  readonly accessTokenHeader?: string
  /** Provider name -> the exact redirect URI registered for it. Only providers with a `login`. */
  readonly redirectUris: ReadonlyMap<string, string>
  /** The provider's and the portal's rules, as they hold at the callback: refused here, no session is made. */
  readonly admit: (identity: Identity, request: RequestView, now: Instant) => Verdict | Promise<Verdict>
}
/** Fails closed by itself: an expression that fails is "no" for a provider's use and "yes" for a second factor. */
export type Condition = (identity: Identity | undefined, request: RequestView, now: Instant) => boolean | Promise<boolean>
export interface SecondFactor {
  readonly provider: Provider
  /** Name of the provider whose people need it. */
  readonly after: string
  readonly when?: Condition
  /** The factor's own rules, where it has some. */
  readonly admit?: Portal['admit']
}
export interface BreakGlass {
  /** Whose address it holds for. */
  readonly holdsFor: (clientAddress: string | null) => boolean
  /** When it ends by itself. */
  readonly until?: Instant
}
/** How recent and how strong a sign-in has to be. */
export interface Freshness {
  /** Milliseconds since the provider asked the person; `every`: for each page load, with a grace for the page's own requests. */
  readonly maxAge?: number | 'every'
  readonly acr?: string
  /** Only these providers' people. */
  readonly providers?: ReadonlySet<string>
}

export interface UpstreamTls {
  readonly ca?: string
  readonly cert?: string
  readonly key?: string
  readonly serverName?: string
}
export interface SessionRules {
  /** Sealed into the session: it opens this and nothing else. The portal's name, or the group's. */
  readonly audience: string
  readonly cookieName: string
  /** Milliseconds. */
  readonly idle: number
  /** Milliseconds. */
  readonly lifetime: number
  /** `Path=/; HttpOnly; …`, ready to append after `name=value; `. */
  readonly cookieAttributes: string
  /** Whoever was signed out for idleness is really asked by the provider, not waved through. */
  readonly idleRequiresSignIn: boolean
}
export interface Route {
  /** As written, for logs and explanations; empty for "no route matched". */
  readonly pattern: string
  readonly access: 'authenticated' | 'public' | 'optional' | 'blocked'
  /** For a blocked route. */
  readonly message?: string
  readonly methods?: ReadonlySet<string>
  /** Always answer 401 instead of a redirect. */
  readonly challenge?: 401
  /** CORS preflight goes to the portal without identity, cookies or body. */
  readonly preflight: 'judge' | 'forward'
  readonly extendsSession: boolean
  /** The portal's own sign-out: whoever asks for it is signed out here too. */
  readonly endsSession: boolean
  readonly freshness?: Freshness
  /** Rules beside the portal's: whoever is nobody cannot pass them. */
  readonly hasOwnRules: boolean
  /** `allow`: `%2F` may stand in the path. */
  readonly encodedSlash: 'refuse' | 'allow'
  /** Rules and header plan for somebody; kept while what they read does not change. */
  readonly judge: (identity: Identity, request: RequestView, now: Instant) => Judgement | Promise<Judgement>
  /** The same rules, each by itself, for a person who asks why. Without somebody they are named and not asked. Never rejects. */
  readonly explain?: (
    identity: Identity | undefined,
    request: RequestView,
    now: Instant,
    /** Members of `request` that are not known any more: rules that read one are not asked. */
    unknown?: ReadonlySet<string>,
  ) => Promise<readonly ExplainedRule[]>
}
/** One rule and what it says of one person and request. */
export interface ExplainedRule {
  readonly name: string
  /** Whose rule it is. */
  readonly of: RuleOwner
  readonly file?: string
  /** 1-based. */
  readonly line?: number
  /** What a refused person is told. */
  readonly message?: string
  readonly result: 'allows' | 'refuses' | 'fails' | 'not asked'
  /** What it gives; absent where it gives nothing or fails. */
  readonly value?: Json
  readonly detail?: string
  /** What it read: name -> value. */
  readonly facts: Readonly<Record<string, Json>>
  /** What it read and was not there. */
  readonly missing: readonly string[]
  /** The parts of it that made it give this, `line` in the file. Neither value nor error: it gives nothing. */
  readonly decidedBy: readonly {
    readonly source: string
    readonly line?: number
    readonly value?: Json
    readonly error?: string
  }[]
}
export type RuleOwner = 'provider' | 'portal' | 'route'
/** What the rules and the header expressions say of one person on one route. */
export interface Judgement {
  readonly verdict: Verdict
  /** Present where the verdict allows, or the portal only warns. */
  readonly headers?: HeaderPlan
}

/** The only document a rule sees: claims at top level, reserved names on top. */
export type Facts = Readonly<Record<string, Json>>
export interface Verdict {
  readonly allowed: boolean
  readonly reason: Reason
  /** The rule that decided; empty where none did. */
  readonly rule: string
  /** The refusing rule's message for the person. */
  readonly message?: string
  /** For the log only: what failed and where. */
  readonly detail?: string
}
/**
 * The headers a portal gets for one person: flat name, value, name, value, ready to be written (latin1).
 * Every name that any portal may ever receive is removed from the request before, whoever is asking.
 */
export type HeaderPlan = readonly string[]

export type Decision = Allow | Challenge | Deny | Own
interface Decided {
  readonly reason: Reason
  readonly portal?: Portal
  readonly identity?: Identity
  readonly rule?: string
  /** Set-Cookie values. */
  readonly cookies: readonly string[]
  /** For the log. */
  readonly detail?: string
}
declare const granted: unique symbol
/** Only decide.ts makes one, and upstream/ forwards nothing else. */
export interface Allow extends Decided {
  readonly kind: 'allow'
  readonly portal: Portal
  readonly headers: HeaderPlan
  /** The credential in Authorization was ours and is taken out. */
  readonly consumedAuthorization: boolean
  /** A preflight: cookies and body stay here. */
  readonly bare: boolean
  /** When an upgraded connection ends. */
  readonly endsAt?: Instant
  /** Signed out, it ends an upgraded connection before that. */
  readonly session?: Session
  /** The session ends with this request. */
  readonly endsSession: boolean
  readonly passThrough: readonly string[]
  readonly [granted]: true
}
/** Nobody known: a page load goes to our own start endpoint, anything else gets 401. */
export interface Challenge extends Decided {
  readonly kind: 'challenge'
  readonly portal: Portal
  /** Absolute path of our own endpoint; absent where the portal has no sign-in. */
  readonly signIn?: string
  readonly redirect: boolean
  /** Whose session is over or not fresh enough: what this person has typed is kept until they are back. */
  readonly person?: Pick<Identity, 'issuer' | 'subject'>
  /** The id of that session: what was typed is not given back to it. */
  readonly session?: string
  /** `WWW-Authenticate` beside the realm: RFC 9470 section 3. */
  readonly stepUp?: { readonly maxAge?: number; readonly acr?: string }
}
/** Refused or failed; the status is the reason's. */
export interface Deny extends Decided {
  readonly kind: 'deny'
  readonly message?: string
  readonly retryAfter?: number
}
/** One of our own endpoints is asked. */
export interface Own extends Decided {
  readonly kind: 'own'
  readonly portal: Portal
  /** Path below basePath, `/callback/PLAY`; or what an explicit callbackUrl stands for. */
  readonly endpoint: string
}

/** What the way to the sign-in says of its purpose. Hints only: decide.ts holds what is needed against the session itself. */
export interface SignInAsk {
  /** Straight to this provider. */
  readonly provider?: string
  /** The provider really asks the person. */
  readonly fresh?: boolean
  /** `acr_values`. */
  readonly acr?: string
}

/** Everything built from one configuration. Replaced whole; a request holds one from start to end. */
export interface Generation {
  /** Counts up from 1 within this process. */
  readonly number: number
  readonly basePath: string
  readonly portals: ReadonlyMap<string, Portal>
  findPortal(host: string, path: string): Portal | undefined
  findRoute(portal: Portal, path: string, method: string): Route | undefined
  identify(request: RequestView, portal: Portal, route: Route | undefined, now: Instant): Identified | Promise<Identified>
  /** Path below basePath, or what an explicit callbackUrl or a pkms page stands for; undefined: the path is the portal's. */
  ownEndpoint(request: RequestView, portal: Portal): string | undefined
  /** Absolute path of our own endpoint where a person signs in and comes back; undefined where the portal has no sign-in. */
  signInPath(portal: Portal, returnTo: string, ask?: SignInAsk): string | undefined
  close(): Promise<void>
}
