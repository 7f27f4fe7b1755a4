// Exact bytes over a real socket, from any loopback address: an HTTP client would mend what an attacker leaves broken.
import { connect } from 'node:net'

export interface WireAnswer {
  readonly status: number
  /** Lower-case name -> values. */
  readonly headers: ReadonlyMap<string, readonly string[]>
  readonly body: string
  /** Everything that came. */
  readonly text: string
}

/**
 * Sends the bytes and reads until the other side ends the connection (send `Connection: close`) or it has been
 * silent for `patience` milliseconds.
 */
export function wire(
  port: number,
  bytes: string | Buffer,
  options: { readonly from?: string; readonly patience?: number } = {},
): Promise<WireAnswer> {
  return new Promise((resolve, reject) => {
    const socket = connect({ port, host: '127.0.0.1', ...(options.from ? { localAddress: options.from } : {}) })
    const chunks: Buffer[] = []
    const finish = () => {
      socket.destroy()
      resolve(parseAnswer(Buffer.concat(chunks).toString('latin1')))
    }
    socket.setTimeout(options.patience ?? 5000, finish)
    socket.on('data', (chunk: Buffer) => void chunks.push(chunk))
    socket.on('error', (error: NodeJS.ErrnoException) =>
      chunks.length > 0 || error.code === 'ECONNRESET' ? finish() : reject(error),
    )
    socket.on('close', finish)
    socket.write(typeof bytes === 'string' ? Buffer.from(bytes, 'latin1') : bytes)
  })
}

function parseAnswer(text: string): WireAnswer {
  const end = text.indexOf('\r\n\r\n')
  const [first = '', ...lines] = text.slice(0, Math.max(end, 0)).split('\r\n')
  const headers = new Map<string, string[]>()
  for (const line of lines) {
    const at = line.indexOf(':')
    const name = line.slice(0, at).toLowerCase()
    headers.set(name, [...(headers.get(name) ?? []), line.slice(at + 1).trim()])
  }
  const rest = text.slice(end + 4)
  const body = headers.get('transfer-encoding')?.includes('chunked') ? unchunk(rest) : rest
  return { status: Number(/^HTTP\/1\.1 (\d{3})/.exec(first)?.[1] ?? 0), headers, body, text }
}

function unchunk(text: string): string {
  const size = /^([0-9a-fA-F]+)[^\r]*\r\n/.exec(text)
  const length = Number.parseInt(size?.[1] ?? '0', 16)
  if (!size || length === 0) return ''
  const from = size[0].length
  return text.slice(from, from + length) + unchunk(text.slice(from + length + 2))
}

/** A GET with these header lines, closing the connection. */
export const get = (target: string, lines: readonly string[] = [], host = 'home.localhost'): string =>
  [`GET ${target} HTTP/1.1`, `Host: ${host}`, 'Connection: close', ...lines, '', ''].join('\r\n')
