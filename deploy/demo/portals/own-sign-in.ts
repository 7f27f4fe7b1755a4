// A sign-in as portals bring along: a form, a password of its own, a cookie of its own. Nobody needs it where `iv-user` came.
import { randomBytes } from 'node:crypto'
import type { IncomingMessage } from 'node:http'
import { text } from 'node:stream/consumers'
import { html } from '../page.ts'
import { type Pages, show } from './greeting.ts'

/** Known to this portal and to no identity provider. */
export const ownAccount = { user: 'dora', password: 'dora-pw' } as const

const cookie = 'client-portal'

const form = html`<p>Nobody told this portal who you are, so it asks by itself.</p>
<form method="post">
<label>User name of this portal<br><input name="user" autocapitalize="none" required></label>
<label>Password of this portal<br><input name="password" type="password" required></label>
<button>Sign in to the portal</button></form>`

/** Answers everything for whoever it does not know, and says so to whoever it knows. */
export function createOwnSignIn(): Pages {
  const token = randomBytes(16).toString('hex')
  const isKnown = (request: IncomingMessage) => (request.headers.cookie ?? '').split(/;\s*/).includes(`${cookie}=${token}`)
  const isRight = async (request: IncomingMessage) => {
    const fields = new URLSearchParams(await text(request))
    return fields.get('user') === ownAccount.user && fields.get('password') === ownAccount.password
  }
  return (request, response) => {
    if (isKnown(request)) {
      return show(
        response,
        `Hello, ${ownAccount.user}`,
        html`<p>You signed in at the portal itself. Postern told it nobody's name.</p>`,
      )
    }
    if (request.method !== 'POST') return show(response, "The portal's own sign-in", form)
    isRight(request).then(
      (right) => {
        if (!right) return show(response, "The portal's own sign-in", form, 401)
        response.writeHead(303, { location: '/', 'set-cookie': `${cookie}=${token}; HttpOnly; Path=/; SameSite=Lax` })
        return response.end()
      },
      () => response.destroy(),
    )
    return true
  }
}
