// One line per event, one shape. Fields are named here and nowhere else, so that a secret has no field to be printed in.
import pino, { type Logger } from 'pino'

export interface AccessLine {
  readonly id: string
  readonly method: string
  /** Without query: it may hold a code or a token. */
  readonly path: string
  readonly status: number
  readonly ms: number
  readonly bytes: number
  readonly portal: string
  readonly decision: string
  readonly reason: string
  readonly provider: string
  readonly credentials: string
  readonly rule: string
  readonly account: string
  readonly clientIp: string
}
export interface AuthenticationEvent {
  readonly id?: string
  readonly result: 'Redirection' | 'Success' | 'Failure'
  /** The provider's `credentialsName`, else its name. */
  readonly credentialType: string
  readonly provider: string
  readonly portal?: string
  readonly account?: string
  readonly clientIp?: string | null
  readonly reason?: string
  readonly message: string
}
export type Fields = Readonly<Record<string, string | number | boolean | null | undefined | readonly string[]>>
export type Level = 'debug' | 'info' | 'warn' | 'error'
export interface Log {
  access(line: AccessLine): void
  authentication(event: AuthenticationEvent): void
  audit(msg: string, fields?: Fields): void
  server(level: Level, msg: string, fields?: Fields): void
  /** Writes out what is buffered. */
  flush(): void
}
/** Where the lines go; `write` gets whole lines. */
export interface LogDestination {
  write(text: string): void
  flushSync?(): void
}

const isPlain = (text: string): boolean => !/["\\\u0000-\u001f\u007f-\uffff]/.test(text)
const quoted = (text: string): string => (isPlain(text) ? `"${text}"` : JSON.stringify(text))

/** The access line is put together by hand into pino's own destination: a pino call costs as much as a tenth of the proxying. */
function accessText(line: AccessLine, time: string): string {
  return (
    `{"time":"${time}","level":"info","log":"access","msg":"request","id":${quoted(line.id)},"method":${quoted(line.method)}` +
    `,"path":${quoted(line.path)},"status":${line.status},"ms":${line.ms},"bytes":${line.bytes},"portal":${quoted(line.portal)}` +
    `,"decision":"${line.decision}","reason":${quoted(line.reason)},"provider":${quoted(line.provider)},"credentials":${quoted(line.credentials)}` +
    `,"rule":${quoted(line.rule)},"account":${quoted(line.account)},"clientIp":${quoted(line.clientIp)}}\n`
  )
}

/** A log that writes JSON lines. `clock` in epoch milliseconds. */
export function createLog(destination: LogDestination, clock: () => number): Log {
  const base = {
    messageKey: 'msg',
    base: null,
    timestamp: () => `,"time":"${new Date(clock()).toISOString()}"`,
    formatters: { level: (label: string) => ({ level: label }) },
  }
  const root: Logger = pino(base, destination)
  const children = {
    authentication: root.child({ log: 'authentication' }),
    audit: root.child({ log: 'audit' }),
    server: root.child({ log: 'server' }),
  }
  let lastTime = Number.NaN
  let lastText = ''
  /** Many lines share a millisecond, and writing one out costs more than the rest of the line. */
  const timeText = (): string => {
    const time = clock()
    if (time !== lastTime) {
      lastTime = time
      lastText = new Date(time).toISOString()
    }
    return lastText
  }
  return {
    access: (line) => destination.write(accessText(line, timeText())),
    authentication: ({ message, ...event }) => {
      const level = event.result === 'Failure' ? 'warn' : 'info'
      children.authentication[level]({ ...event, message }, message)
    },
    audit: (msg, fields = {}) => children.audit.info(fields, msg),
    server: (level, msg, fields = {}) => children.server[level](fields, msg),
    flush: () => destination.flushSync?.(),
  }
}

/** Buffered standard output, written out at the latest after `everyMs`. */
export function standardOutput(everyMs = 100): LogDestination & { close(): void } {
  const stream = pino.destination({ fd: 1, sync: false, minLength: 8192, maxLength: 64 * 1024 * 1024 })
  const flush = () => {
    try {
      stream.flushSync()
    } catch {
      // EAGAIN on a slow pipe: what is buffered stays buffered until the next turn
    }
  }
  const timer = setInterval(() => stream.flush(), everyMs)
  timer.unref()
  return {
    write: (text) => void stream.write(text),
    flushSync: flush,
    close: () => {
      clearInterval(timer)
      flush()
    },
  }
}
