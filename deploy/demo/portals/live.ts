// A portal that was never modified: a WebSocket that echoes and a clock that is pushed as server-sent events.
import type { ServerResponse } from 'node:http'
import { listen, type Running } from '../listen.ts'
import { Html, html, page } from '../page.ts'

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

/** `/` the page, `/ticker` server-sent events, `/socket` a WebSocket that answers `iv-user: text`. */
export async function startLive(): Promise<Running> {
  const { WebSocketServer } = await import(library)
  const running = await listen((request, response) => {
    if (request.url === '/ticker') return tick(response)
    response.writeHead(200, { 'content-type': 'text/html; charset=utf-8' })
    response.end(page('Live', body))
  })
  const sockets = new WebSocketServer({ server: running.server, path: '/socket' })
  sockets.on('connection', (socket: Socket, request: { headers: Record<string, string> }) => {
    socket.on('error', () => socket.terminate())
    socket.on('message', (data: Buffer) => socket.send(`${request.headers['iv-user']}: ${data}`))
  })
  const close = async () => {
    for (const socket of sockets.clients) socket.terminate()
    sockets.close()
    await running.close()
  }
  return { port: running.port, close }
}
