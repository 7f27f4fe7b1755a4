// Every reason this program gives for what it did, in one catalogue: the code for the log, the status for the client,
// the sentence for a person. A cause goes to the log, never to the client.

interface Entry {
  readonly status: number
  readonly title: string
  readonly sentence: string
}

const catalogue = {
  // let through
  allowed: { status: 200, title: 'Allowed', sentence: 'The request is allowed.' },
  public: { status: 200, title: 'Public', sentence: 'This page is public.' },
  anonymous: { status: 200, title: 'Anonymous', sentence: 'Nobody is signed in, and nobody has to be.' },
  preflight: { status: 200, title: 'Preflight', sentence: 'A CORS preflight goes to the portal without identity.' },
  'own-endpoint': { status: 200, title: 'Own endpoint', sentence: 'This address is answered here.' },
  'rule-would-refuse': { status: 200, title: 'Would be refused', sentence: 'A rule would refuse this; the portal only warns.' },
  'local-sign-in': { status: 200, title: 'Own sign-in', sentence: "The portal's own sign-in was chosen." },
  'break-glass': { status: 200, title: 'Break-glass', sentence: 'The portal answers without this sign-in for now.' },
  // somebody known, but not well enough
  'sign-in-not-fresh': {
    status: 401,
    title: 'Please sign in again',
    sentence: 'This page needs a sign-in that is more recent than yours.',
  },
  'second-factor-needed': {
    status: 401,
    title: 'One more step',
    sentence: 'This page needs a second confirmation of who you are.',
  },
  'provider-not-enough': {
    status: 401,
    title: 'Please sign in',
    sentence: 'This page needs another kind of sign-in than yours.',
  },
  'assurance-too-low': { status: 403, title: 'No access', sentence: 'Your sign-in is not strong enough for this page.' },
  'other-person': {
    status: 403,
    title: 'Somebody else',
    sentence: 'You signed in as somebody else than before, so the step was stopped.',
  },
  'hint-mismatch': {
    status: 403,
    title: 'Somebody else',
    sentence: 'The sign-in service named another person than the one who was asked for.',
  },
  'kept-request-gone': {
    status: 400,
    title: 'Please send it again',
    sentence: 'What you had typed could not be kept. Please open the page and send it again.',
  },
  // nobody known
  'sign-in-needed': { status: 401, title: 'Please sign in', sentence: 'You need to sign in to open this page.' },
  'credential-rejected': { status: 401, title: 'Not accepted', sentence: 'The credential sent with this request is not valid.' },
  // may not
  'rule-refused': { status: 403, title: 'No access', sentence: 'You are signed in, but you may not open this page.' },
  'rule-failed': {
    status: 403,
    title: 'No access',
    sentence: 'Whether you may open this page could not be decided, so it stays closed.',
  },
  'route-blocked': { status: 403, title: 'Not available', sentence: 'This function is switched off here.' },
  'origin-refused': { status: 403, title: 'No access', sentence: 'Connections from that web site are not accepted.' },
  'untrusted-peer': { status: 403, title: 'No access', sentence: 'Identity headers are not accepted from your address.' },
  'wrong-junction-password': {
    status: 403,
    title: 'No access',
    sentence: 'The gateway in front of this one did not identify itself.',
  },
  'identity-missing': { status: 403, title: 'No access', sentence: 'The gateway in front of this one did not say who you are.' },
  'account-missing': {
    status: 403,
    title: 'No access',
    sentence: 'Your sign-in worked, but it does not name the account this portal needs.',
  },
  'email-not-verified': {
    status: 403,
    title: 'No access',
    sentence: 'Your e-mail address has not been verified by your sign-in service.',
  },
  'tenant-refused': { status: 403, title: 'No access', sentence: 'Your organisation is not accepted here.' },
  'session-too-large': {
    status: 403,
    title: 'No access',
    sentence: 'Your sign-in worked, but it carries more data than can be kept.',
  },
  'no-profile': {
    status: 403,
    title: 'No access',
    sentence: 'Your sign-in worked, but this portal has no place for people like you.',
  },
  'link-conflict': {
    status: 403,
    title: 'No access',
    sentence: 'Your e-mail address belongs to an account of somebody else here. Please tell whoever runs this portal.',
  },
  'post-login-refused': {
    status: 403,
    title: 'No access',
    sentence: 'Your sign-in worked, but the portal does not know you.',
  },
  // sign-in went wrong
  'too-many-sessions': {
    status: 403,
    title: 'Signed in elsewhere',
    sentence: 'You are signed in at as many places as are allowed. Sign out at one of them, then try again.',
  },
  'logout-token-refused': { status: 400, title: 'Not accepted', sentence: 'The logout token could not be accepted.' },
  'sign-out-incomplete': {
    status: 503,
    title: 'Signed out here',
    sentence:
      'You are signed out in this browser, but it is not certain that this holds everywhere yet. Please try again in a moment, or close the browser.',
  },
  'sign-in-expired': {
    status: 400,
    title: 'That took too long',
    sentence: 'The sign-in was not finished in time. Please start again.',
  },
  'sign-in-unknown': {
    status: 400,
    title: 'Please sign in again',
    sentence: 'This sign-in was already used, or began in another browser. Please start again.',
  },
  'sign-in-failed': {
    status: 400,
    title: 'Sign-in failed',
    sentence: 'The answer of the sign-in service could not be accepted. Please try again.',
  },
  'sign-in-denied': {
    status: 403,
    title: 'Sign-in refused',
    sentence: 'The sign-in service did not let you in, or the sign-in was cancelled.',
  },
  'provider-misconfigured': {
    status: 500,
    title: 'Something is set up wrong',
    sentence: 'The sign-in service does not accept this gateway. Trying again will not help: please tell whoever runs it.',
  },
  // bad requests
  'bad-request': { status: 400, title: 'Bad request', sentence: 'The request could not be understood.' },
  'host-invalid': { status: 400, title: 'Bad request', sentence: 'The request must name exactly one host.' },
  'path-refused': {
    status: 400,
    title: 'Bad request',
    sentence: 'The address contains characters or segments that are not accepted here.',
  },
  'header-repeated': { status: 400, title: 'Bad request', sentence: 'A header that must come once came more than once.' },
  'several-credentials': { status: 400, title: 'Bad request', sentence: 'The request carries more than one identity.' },
  'header-too-large': {
    status: 431,
    title: 'Request too large',
    sentence: 'The headers or cookies of the request are too large. Deleting the cookies of this site may help.',
  },
  'body-too-large': { status: 413, title: 'Request too large', sentence: 'The request is larger than this address accepts.' },
  'request-timeout': { status: 408, title: 'Request too slow', sentence: 'The request did not arrive in time.' },
  'method-refused': { status: 405, title: 'Not allowed', sentence: 'This method is not allowed.' },
  'portal-unknown': { status: 404, title: 'Not found', sentence: 'There is no portal at this address.' },
  'endpoint-unknown': { status: 404, title: 'Not found', sentence: 'There is nothing at this address.' },
  // not our day
  'post-login-failed': {
    status: 503,
    title: 'Sign-in is not available',
    sentence: 'What this portal has to know about you could not be looked up just now. Please try again in a moment.',
  },
  'provisioning-failed': {
    status: 503,
    title: 'Your account is not ready',
    sentence: 'Your sign-in worked, but your account in the portal could not be set up just now. Please try again in a moment.',
  },
  'provider-unavailable': {
    status: 503,
    title: 'Sign-in is not available',
    sentence: 'The sign-in service cannot be reached just now. Please try again in a moment.',
  },
  'store-unavailable': {
    status: 503,
    title: 'Not available',
    sentence: 'Your session cannot be read just now. Please try again in a moment.',
  },
  'shutting-down': { status: 503, title: 'Not available', sentence: 'This service is being restarted. Please try again.' },
  'portal-unreachable': {
    status: 502,
    title: 'The portal is not available',
    sentence: 'The portal cannot be reached just now. Please try again in a moment.',
  },
  'portal-failed': {
    status: 502,
    title: 'The portal is not available',
    sentence: 'The portal gave an answer that cannot be passed on.',
  },
  'portal-timeout': {
    status: 504,
    title: 'The portal is too slow',
    sentence: 'The portal did not answer in time. Please try again in a moment.',
  },
  'header-failed': {
    status: 500,
    title: 'Something is set up wrong',
    sentence: 'Your identity could not be handed to the portal, so the request was stopped.',
  },
  internal: { status: 500, title: 'Something went wrong', sentence: 'The request was stopped because of an error here.' },
  // ended on the way (log only)
  'client-gone': { status: 499, title: 'Client gone', sentence: 'The client went away before the answer.' },
  'portal-broke-off': { status: 502, title: 'The portal broke off', sentence: 'The portal stopped in the middle of its answer.' },
} as const satisfies Record<string, Entry>

export type Reason = keyof typeof catalogue

export const reasons = Object.keys(catalogue) as readonly Reason[]

/** Status, title and sentence of a reason. */
export const describe = (reason: Reason): Entry => catalogue[reason]

/**
 * A failure with a code from the catalogue. `detail` and `cause` are for the log and must not hold a secret; the client
 * sees the catalogue's sentence only.
 */
export class PosternError extends Error {
  override readonly name = 'PosternError'
  readonly reason: Reason
  readonly detail: string
  /** Seconds. */
  readonly retryAfter?: number
  constructor(reason: Reason, detail: string, options?: ErrorOptions & { retryAfter?: number }) {
    super(`${reason}: ${detail}`, options)
    this.reason = reason
    this.detail = detail
    if (options?.retryAfter !== undefined) this.retryAfter = options.retryAfter
  }
}

/** Why a provider gave no new tokens, which decides what becomes of the refresh token and the session. */
export class RenewalError extends Error {
  override readonly name = 'RenewalError'
  /**
   * `ended`: the provider refuses (`invalid_grant`, another subject): the session is over. `not-taken`: the token was surely not used up,
   * and may be sent again later. `unknown`: it may have been used up, and must never be sent again.
   */
  readonly outcome: 'ended' | 'not-taken' | 'unknown'
  constructor(outcome: RenewalError['outcome'], detail: string, options?: ErrorOptions) {
    super(detail, options)
    this.outcome = outcome
  }
}

/** One problem of a configuration, at its place. `advice` says what to write instead. */
export interface Problem {
  readonly severity: 'error' | 'warning'
  readonly file: string
  /** 1-based. */
  readonly line: number
  /** 1-based. */
  readonly column: number
  /** Dotted path of the key, `providers[0].issuer`. */
  readonly key: string
  readonly message: string
  readonly advice: string
}

/** The configuration cannot be used. Holds every problem found, warnings too. */
export class ConfigError extends Error {
  override readonly name = 'ConfigError'
  readonly problems: readonly Problem[]
  /** Absolute paths of what was read or looked for: a change in one of them may mend it. */
  readonly files: readonly string[]
  constructor(problems: readonly Problem[], files: readonly string[] = []) {
    super(`${problems.filter((p) => p.severity === 'error').length} problem(s) in the configuration`)
    this.problems = problems
    this.files = files
  }
}
