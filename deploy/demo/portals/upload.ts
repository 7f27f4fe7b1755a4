// Pages of a portal that was never modified: takes a file, by form or by fetch, and says how large it is and its SHA-256.
import { createHash } from 'node:crypto'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { Readable } from 'node:stream'
import { Html, html } from '../page.ts'
import { type Pages, pathOf, show } from './greeting.ts'

const formLimit = 64 * 1024 * 1024

interface Receipt {
  readonly name: string
  readonly size: number
  readonly sha256: string
}

/** Any size: nothing is kept but the hash. */
async function receive(chunks: AsyncIterable<Uint8Array>, name: string): Promise<Receipt> {
  const hash = createHash('sha256')
  let size = 0
  for await (const chunk of chunks) {
    hash.update(chunk)
    size += chunk.length
  }
  return { name, size, sha256: hash.digest('hex') }
}

/** A form is read into memory before it is taken apart, so it is limited. */
async function receiveForm(request: IncomingMessage): Promise<Receipt | undefined> {
  if (Number(request.headers['content-length'] ?? Number.POSITIVE_INFINITY) > formLimit) return undefined
  const body = new Response(Readable.toWeb(request) as ReadableStream, {
    headers: { 'content-type': request.headers['content-type'] ?? '' },
  })
  const file = (await body.formData()).get('file')
  return file instanceof File ? receive(file.stream(), file.name) : undefined
}

const script = new Html(`<script>
document.getElementById('send').onclick = async () => {
  const file = document.querySelector('input').files[0]
  const say = (text) => { document.getElementById('receipt').textContent = text }
  if (!file) return say('Choose a file first.')
  const answer = await fetch('/raw?name=' + encodeURIComponent(file.name), { method: 'PUT', body: file })
  say(answer.ok ? JSON.stringify(await answer.json()) : 'Refused: ' + answer.status)
}
</script>`)

const body = html`<form method="post" action="/form" enctype="multipart/form-data">
<label>A file <input type="file" name="file" required></label>
<button>Upload by form (up to 64 MiB)</button> <button type="button" id="send">Upload by fetch (any size)</button>
</form>
<p><output id="receipt"></output></p>
${script}`

function showReceipt(response: ServerResponse, receipt: Receipt | undefined): void {
  const told = receipt
    ? html`<table><tr><th scope="row">file</th><td>${receipt.name}</td></tr><tr><th scope="row">bytes</th><td>${receipt.size}</td></tr>
<tr><th scope="row">SHA-256</th><td>${receipt.sha256}</td></tr></table>`
    : html`<p>That was no file of at most 64 MiB.</p>`
  show(response, 'Received', html`${told}<p><a href="/upload">Another one</a></p>`, receipt ? 200 : 400)
}

async function take(request: IncomingMessage, response: ServerResponse): Promise<void> {
  if (request.method === 'POST') return showReceipt(response, await receiveForm(request))
  const { searchParams } = new URL(request.url ?? '/', 'http://client.localhost')
  const receipt = await receive(request, searchParams.get('name') ?? '')
  response.writeHead(200, { 'content-type': 'application/json' })
  response.end(JSON.stringify(receipt))
}

/** `/upload` the page, `POST /form` (multipart, field `file`) and `PUT /raw?name=` (any size). */
export const upload: Pages = (request, response) => {
  const asked = `${request.method} ${pathOf(request)}`
  if (asked === 'GET /upload') return show(response, 'Upload', body)
  if (asked !== 'POST /form' && asked !== 'PUT /raw') return false
  take(request, response).catch(() => {
    // Cut off half way, or no form at all: there is nothing to say about such a file.
    if (response.headersSent) response.destroy()
    else showReceipt(response, undefined)
  })
  return true
}
