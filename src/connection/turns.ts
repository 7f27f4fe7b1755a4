// One request of a connection at a time. Node hands over all pipelined requests at once: a few KiB would open a thousand
// connections to a portal. And after a request that was refused unread, nothing that follows on its connection is read.
import type { ServerResponse } from 'node:http'
import type { Duplex } from 'node:stream'

export interface Turns {
  /** Runs now, or when the answers before it are sent, or never: where the connection is spoiled or the queue is absurd. */
  take(socket: Duplex, response: ServerResponse, run: () => void): void
  /** What follows on this connection is not taken. */
  spoil(socket: Duplex): void
  isBusy(socket: Duplex): boolean
}

interface Line {
  busy: boolean
  spoiled: boolean
  readonly waiting: (() => void)[]
}

/** Browsers do not pipeline; programs that do, send a handful. */
const mostWaiting = 32

export function createTurns(): Turns {
  const lines = new WeakMap<Duplex, Line>()
  const next = (line: Line, socket: Duplex, response: ServerResponse): void => {
    line.busy = false
    if (line.spoiled) return void socket.destroy()
    // RFC 9112 section 9.6: nothing is taken after an answer that closes
    if (!response.shouldKeepAlive) line.waiting.length = 0
    line.waiting.shift()?.()
  }
  return {
    take(socket, response, run) {
      const line = lines.get(socket) ?? { busy: false, spoiled: false, waiting: [] }
      lines.set(socket, line)
      if (line.spoiled || line.waiting.length >= mostWaiting) return void socket.destroy()
      const begin = () => {
        line.busy = true
        response.once('close', () => next(line, socket, response))
        run()
      }
      if (line.busy) line.waiting.push(begin)
      else begin()
    },
    spoil(socket) {
      const line = lines.get(socket) ?? { busy: false, spoiled: true, waiting: [] }
      lines.set(socket, line)
      line.spoiled = true
      line.waiting.length = 0
    },
    isBusy: (socket) => lines.get(socket)?.busy === true,
  }
}
