// A real OpenID provider on loopback, with a plain login page of its own; the demo runs two. It knows the demo's accounts and nothing of Postern.
import { randomBytes } from 'node:crypto'
import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http'
import { text } from 'node:stream/consumers'
import { exportJWK, generateKeyPair } from 'jose'
import { type Account, accounts } from './accounts.ts'
import { listen, type Running } from './listen.ts'
import { html, page } from './page.ts'

export interface ProviderSettings {
  readonly port: number
  /** What its pages call it. Also keeps its cookies apart: two providers on one host share a cookie jar, whatever their ports. */
  readonly name: string
  /** What it asks people for. */
  readonly asksFor: 'password' | 'pin'
  readonly clientId: string
  readonly clientSecret: string
  /** Compared exactly. */
  readonly redirectUris: readonly string[]
  readonly postLogoutRedirectUris: readonly string[]
}

// The library ships no types, and a variable keeps both the compiler and a bundler from looking for them.
const library = 'oidc-provider'
const libraryStore = 'oidc-provider/lib/adapters/memory_adapter.js'

/** As much of the library as the demo uses. */
interface Library {
  readonly default: new (issuer: string, configuration: object) => OpenProvider
  readonly interactionPolicy: Policies
}
interface OpenProvider {
  callback(): RequestListener
  interactionDetails(
    request: IncomingMessage,
    response: ServerResponse,
  ): Promise<{ readonly params: { readonly login_hint?: string } }>
  interactionFinished(request: IncomingMessage, response: ServerResponse, result: object, options: object): Promise<void>
}
interface Policies {
  readonly base: () => { add(prompt: object, at: number): void }
  readonly Prompt: new (prompt: object) => object
}
interface Grant {
  addOIDCScope(scope: string): void
  save(): Promise<unknown>
}
interface Context {
  readonly oidc: {
    readonly client: { readonly clientId: string }
    readonly session: { readonly accountId: string; grantIdFor(clientId: string): string | undefined }
    readonly provider: { readonly Grant: { new (of: object): Grant; find(id: string): Promise<Grant> } }
  }
  type: string
  body: string
}
type Store = () => object

const hour = 3600

/** On its way in the library warns of every Node whose long-term support began after the library was published. */
async function load(): Promise<[Library, { readonly createMemoryAdapter: (clockTolerance: number) => object }]> {
  const { warn } = console
  console.warn = () => {}
  try {
    return await Promise.all([import(library), import(libraryStore)])
  } finally {
    console.warn = warn
  }
}

const byUser = (user: string): Account | undefined => accounts.find((account) => account.user === user)
/** A hint may be the e-mail address, which is what Postern calls people. */
const byHint = (hint: string): Account | undefined => byUser(hint) ?? accounts.find(({ email }) => email === hint)

/** Everybody who signs in has agreed: a company's own provider does not ask either. */
async function grantEverything(ctx: Context): Promise<Grant> {
  const { client, session, provider } = ctx.oidc
  const known = session.grantIdFor(client.clientId)
  if (known) return provider.Grant.find(known)
  const grant = new provider.Grant({ clientId: client.clientId, accountId: session.accountId })
  grant.addOIDCScope('openid email profile')
  await grant.save()
  return grant
}

function claimsOf({ user, name, email, hd, groups }: Account): Record<string, unknown> {
  return { sub: `demo-${user}`, name, preferred_username: user, email, email_verified: true, hd, groups }
}

function findAccount(_: unknown, sub: string): object | undefined {
  const account = byUser(sub.replace(/^demo-/, ''))
  return account && { accountId: sub, claims: () => claimsOf(account) }
}

/** "Sign in as somebody else" asks for `select_account`, which the library leaves to its users to add. */
function interactionPolicy({ base, Prompt }: Policies): object {
  const policy = base()
  policy.add(new Prompt({ name: 'select_account', requestable: true }), 0)
  return policy
}

async function signingKeys(): Promise<object> {
  const { privateKey } = await generateKeyPair('RS256', { extractable: true })
  return { keys: [{ ...(await exportJWK(privateKey)), kid: 'demo', use: 'sig', alg: 'RS256' }] }
}

async function configuration(settings: ProviderSettings, policies: Policies, createStore: Store): Promise<object> {
  return {
    adapter: createStore(),
    clients: [
      {
        client_id: settings.clientId,
        client_secret: settings.clientSecret,
        redirect_uris: [...settings.redirectUris],
        post_logout_redirect_uris: [...settings.postLogoutRedirectUris],
      },
    ],
    jwks: await signingKeys(),
    cookies: { keys: [randomBytes(32).toString('hex')], names: cookieNames(settings) },
    claims: { openid: ['sub'], email: ['email', 'email_verified'], profile: ['name', 'preferred_username', 'hd', 'groups'] },
    conformIdTokenClaims: false,
    findAccount,
    loadExistingGrant: grantEverything,
    interactions: { policy: interactionPolicy(policies), url: (_: unknown, { uid }: { uid: string }) => `/interaction/${uid}` },
    features: {
      devInteractions: { enabled: false },
      rpInitiatedLogout: { enabled: true, ...signOutPages(settings) },
    },
    ttl: { AccessToken: hour, AuthorizationCode: 60, IdToken: hour, Interaction: 600, Session: 8 * hour, Grant: 8 * hour },
    renderError,
  }
}

const cookieNames = ({ name }: ProviderSettings): object => ({
  session: `${name}_session`,
  interaction: `${name}_interaction`,
  resume: `${name}_resume`,
})

function signOutPages({ name }: ProviderSettings): object {
  return {
    logoutSource(ctx: Context, form: string): void {
      const question = html`<p>Sign out of the identity provider ${name} as well?</p>`
      const buttons = html`<p><button autofocus form="op.logoutForm" name="logout" value="yes">Sign out</button>
    <button form="op.logoutForm">Stay signed in</button></p>`
      // The form is the library's own, with its token in it.
      ctx.body = page('Sign out', question).replace('</main>', `${form}${buttons.text}</main>`)
    },
    postLogoutSuccessSource(ctx: Context): void {
      ctx.body = page('Signed out', html`<p>You are signed out of the identity provider ${name}.</p>`)
    },
  }
}
function renderError(ctx: Context, out: Record<string, unknown>): void {
  ctx.type = 'html'
  ctx.body = page('That did not work', html`<p>${out['error']}: ${out['error_description']}</p>`)
}

const secretNames = { password: 'Password', pin: 'PIN of your security key' } as const

function loginPage({ name, asksFor }: ProviderSettings, user: string, trouble?: string): string {
  const hint = accounts.map(
    (account) => html`<tr><td>${account.user}</td><td>${account[asksFor]}</td><td>${account.email}</td></tr>`,
  )
  return page(
    `${name}, a demo identity provider`,
    html`${trouble && html`<p role="alert"><mark>${trouble}</mark></p>`}
<form method="post" autocomplete="off">
<label>User name<br><input name="user" value="${user}" autocapitalize="none" autofocus required></label>
<label>${secretNames[asksFor]}<br><input name="${asksFor}" type="password" required></label>
<button>Sign in</button>
</form>
<h2>Who lives here</h2>
<table><tr><th>user name</th><th>${asksFor}</th><th>e-mail</th></tr>${hint}</table>`,
  )
}

function showLogin(response: ServerResponse, status: number, text: string): void {
  response.writeHead(status, { 'content-type': 'text/html; charset=utf-8', 'cache-control': 'no-store' })
  response.end(text)
}

async function interact(
  settings: ProviderSettings,
  provider: OpenProvider,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const { params } = await provider.interactionDetails(request, response)
  if (request.method !== 'POST') {
    return showLogin(response, 200, loginPage(settings, byHint(params.login_hint ?? '')?.user ?? ''))
  }
  const form = new URLSearchParams(await text(request))
  const account = byUser(form.get('user') ?? '')
  if (!account || account[settings.asksFor] !== form.get(settings.asksFor)) {
    const trouble = `User name or ${settings.asksFor === 'pin' ? 'PIN' : 'password'} is wrong.`
    return showLogin(response, 401, loginPage(settings, form.get('user') ?? '', trouble))
  }
  const result = { select_account: {}, login: { accountId: `demo-${account.user}`, remember: true } }
  await provider.interactionFinished(request, response, result, { mergeWithLastSubmission: false })
}

/** The login page was left open too long, or belongs to another browser. */
function interactionLost(response: ServerResponse): void {
  response.writeHead(400, { 'content-type': 'text/html; charset=utf-8' })
  response.end(page('Too late', html`<p>This sign-in is over. Please go back to the portal and begin again.</p>`))
}

/** Rejects with ERR_MODULE_NOT_FOUND where the development dependencies are not installed. */
export async function startIdentityProvider(settings: ProviderSettings): Promise<Running & { readonly issuer: string }> {
  const [{ default: Provider, interactionPolicy: policies }, { createMemoryAdapter }] = await load()
  const issuer = `http://localhost:${settings.port}`
  const provider = new Provider(issuer, await configuration(settings, policies, () => createMemoryAdapter(0)))
  const protocol = provider.callback()
  const running = await listen((request, response) => {
    if (!request.url?.startsWith('/interaction/')) return void protocol(request, response)
    interact(settings, provider, request, response).catch(() => interactionLost(response))
  }, settings.port)
  return { port: running.port, issuer, close: running.close }
}
