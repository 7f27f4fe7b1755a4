// Pages of a portal that was never modified: notes by a plain form, a vault, and a password page of its own.
import type { IncomingMessage } from 'node:http'
import { text } from 'node:stream/consumers'
import { html } from '../page.ts'
import { type Pages, pathOf, show, userOf } from './greeting.ts'

const mostNotes = 50

/** `/notes` (GET, and POST with the field `text`), `/vault`, `/account/password` (GET and POST). */
export function createNotes(): Pages {
  const notes: { readonly user: string; readonly text: string }[] = []
  const write = async (request: IncomingMessage) => {
    const note = new URLSearchParams(await text(request)).get('text') ?? ''
    notes.push({ user: userOf(request) ?? 'somebody', text: note })
    notes.splice(0, notes.length - mostNotes)
  }
  const list = () => html`<form method="post" action="/notes">
<label>A note<br><input name="text" size="40" required></label>
<button>Write it down</button></form>
<p>Write for longer than a minute, and Postern asks who you are before the portal gets it. Nothing you typed is lost.</p>
<ul>${notes.map((note) => html`<li>${note.user}: <output>${note.text}</output></li>`)}</ul>`

  return (request, response) => {
    switch (`${request.method} ${pathOf(request)}`) {
      case 'GET /notes':
        return show(response, 'Notes', list())
      case 'POST /notes':
        write(request).then(
          () => show(response, 'Notes', list()),
          () => response.destroy(),
        )
        return true
      case 'GET /vault':
        return show(
          response,
          'The vault',
          html`<p>${userOf(request)} has shown a security key at FIDO, and is still who PLAY said.</p>`,
        )
      case 'GET /account/password':
        return show(
          response,
          'Your password',
          html`<form method="post"><label>New password<br><input name="password" type="password"></label><button>Change it</button></form>`,
        )
      case 'POST /account/password':
        return show(response, 'Changed', html`<p>This portal has changed a password of its own.</p>`)
      default:
        return false
    }
  }
}
