// Commands that ask the running Postern over its admin listener, and show on a terminal what came from elsewhere.
import type { Config } from '../config/schema.ts'

export type Print = (line: string) => void

/** Milliseconds. */
const patience = 30_000

/** undefined: nothing answers, and that was said. */
export async function askAdmin({ server }: Config, method: string, path: string, err: Print): Promise<Response | undefined> {
  const url = `http://${adminHost(server.admin.host)}:${server.admin.port}`
  try {
    return await fetch(url + path, {
      method,
      redirect: 'error',
      signal: AbortSignal.timeout(patience),
      headers: server.adminToken === undefined ? {} : { authorization: `Bearer ${server.adminToken}` },
    })
  } catch {
    err(`postern: nothing answers at ${url}  → start Postern, or name its configuration with --config`)
    return undefined
  }
}

/** Where it listens on every address, it listens here. */
function adminHost(host: string): string {
  if (host === '0.0.0.0') return '127.0.0.1'
  if (host === '::') return '[::1]'
  return host.includes(':') ? `[${host}]` : host
}

/** Says why. @param missing what to say where the thing that was named is not there @returns the exit code */
export async function failed(answer: Response | undefined, err: Print, missing?: string): Promise<1> {
  if (!answer) return 1
  const { title } = (await answer.json().catch(() => ({}))) as { readonly title?: unknown }
  if (answer.status === 401) err('postern: the admin listener does not accept server.adminToken of this configuration')
  else if (answer.status === 404 && title === 'Not found' && missing !== undefined) err(`postern: ${printable(missing)}`)
  else err(`postern: the admin listener answers ${answer.status}${typeof title === 'string' ? `: ${printable(title)}` : ''}`)
  return 1
}

/** What a provider said may hold anything: nothing of it may steer the terminal or begin a line of its own. */
export const printable = (text: string): string =>
  text.replace(/\p{C}/gu, (char) => `\\u{${(char.codePointAt(0) ?? 0).toString(16)}}`)

/** The same in JSON, where two escapes stand for what lies beyond 16 bits. @param indent blanks; 0: one line */
export function printableJson(value: unknown, indent = 2): string {
  return JSON.stringify(value, null, indent).replace(/[^\P{C}\n]/gu, (text) =>
    Array.from({ length: text.length }, (_, at) => `\\u${text.charCodeAt(at).toString(16).padStart(4, '0')}`).join(''),
  )
}
