// A page of a portal that was never modified: a WebSocket that echoes and a clock that is pushed as server-sent events.
import type { Server, ServerResponse } from 'node:http'
import { Html, html } from '../page.ts'
import { type Pages, pathOf, show } from './greeting.ts'

// A variable: the installed bundle has no such package, and a bundler must not look for it.
const library = 'ws'

interface Socket {
  on(event: 'error', listener: () => void): void
  on(event: 'message', listener: (data: Buffer) => void): void
  send(text: string): void
  terminate(): void
}

const script = new Html(`<script>
const say = (id, text) => { document.getElementById(id).textContent = text }
const ticker = new EventSource('/ticker')
ticker.onmessage = (event) => say('clock', event.data)
ticker.onerror = () => say('clock', 'the ticker is gone')
const socket = new WebSocket(location.origin.replace(/^http/, 'ws') + '/socket')
socket.onopen = () => { say('state', 'open'); socket.send('hello') }
socket.onmessage = (event) => say('echo', event.data)
socket.onclose = () => say('state', 'closed')
document.querySelector('form').onsubmit = (event) => { event.preventDefault(); socket.send(event.target.elements.text.value) }
</script>`)

const body = html`<h2>Server-sent events</h2>
<p>The portal's clock: <output id="clock">waiting</output></p>
<h2>WebSocket, <span id="state">connecting</span></h2>
<form><label>Say something <input name="text" value="anybody there?"></label><button>Send</button></form>
<p>Echo: <output id="echo"></output></p>
${script}`

/** One event at once, then one a second until the browser leaves. */
function tick(response: ServerResponse): void {
  response.writeHead(200, { 'content-type': 'text/event-stream', 'cache-control': 'no-store' })
  const send = () => response.write(`data: ${new Date().toISOString()}\n\n`)
  send()
  const timer = setInterval(send, 1000)
  response.on('close', () => clearInterval(timer))
}

/** `/live` the page, `/ticker` server-sent events. */
export const live: Pages = (request, response) => {
  const path = pathOf(request)
  if (path === '/ticker') tick(response)
  else if (path === '/live') show(response, 'Live', body)
  else return false
  return true
}

/** `/socket`, a WebSocket that answers `iv-user: text`. Resolves to what ends every socket. */
export async function startSockets(server: Server): Promise<() => void> {
  const { WebSocketServer } = await import(library)
  const sockets = new WebSocketServer({ server, path: '/socket' })
  sockets.on('connection', (socket: Socket, request: { headers: Record<string, string> }) => {
    socket.on('error', () => socket.terminate())
    socket.on('message', (data: Buffer) => socket.send(`${request.headers['iv-user']}: ${data}`))
  })
  return () => {
    for (const socket of sockets.clients) socket.terminate()
    sockets.close()
  }
}
