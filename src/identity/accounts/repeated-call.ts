// A call that tells another service something and is worth repeating: the same each time, so that whoever had heard it does it once.
import { hash } from 'node:crypto'
import { setTimeout } from 'node:timers/promises'
import { CallError, type FilledCall, type OutboundCall } from './outbound-call.ts'

const mostAttempts = 3

/** With a key made of what it is about and of the call itself (Idempotency-Key, draft-ietf-httpapi-idempotency-key-header). */
export function keyed(filled: FilledCall, parts: readonly string[]): FilledCall {
  const key = hash('sha256', JSON.stringify([...parts, filled.method, filled.url, filled.body ?? '']), 'base64url')
  return { ...filled, headers: { ...filled.headers, 'idempotency-key': key } }
}

/**
 * Again where there was no answer, or a 429 or 5xx, as long as `patience` holds. Throws CallError.
 * @param between milliseconds, times the attempts so far
 */
export async function sendRepeatedly(
  call: OutboundCall,
  filled: FilledCall,
  patience: AbortSignal,
  between: number,
): Promise<void> {
  for (let attempt = 1; ; attempt++) {
    const trouble = await troubleWith(call, filled, patience)
    if (!trouble) return
    if (!trouble.isPassing || attempt === mostAttempts || patience.aborted) throw trouble
    await setTimeout(between * attempt, undefined, { ref: false })
  }
}

async function troubleWith(call: OutboundCall, filled: FilledCall, signal: AbortSignal): Promise<CallError | undefined> {
  try {
    const { status } = await call.send(filled, signal)
    if (status >= 200 && status < 300) return undefined
    return new CallError(`${call.origin} answered ${status}`, status >= 500 || status === 429)
  } catch (error) {
    if (error instanceof CallError) return error
    throw error
  }
}
