// What the parts of the admin listener have in common: a refusal in JSON, and what is said where a store cannot be asked.
import type { Response } from 'express'
import { PosternError } from '../errors.ts'

export const isUnavailable = (error: unknown): boolean => error instanceof PosternError && error.reason === 'store-unavailable'

export function say(response: Response, status: number, title: string): void {
  response.status(status).json({ title, status })
}

/** 404 where there is nothing to ask, 503 where its store is away. */
export async function answering<T>(
  response: Response,
  asked: T | undefined,
  titles: { readonly absent: string; readonly away: string },
  work: (asked: T) => Promise<void>,
): Promise<void> {
  if (asked === undefined) return say(response, 404, titles.absent)
  try {
    await work(asked)
  } catch (error) {
    if (!isUnavailable(error)) throw error
    say(response, 503, titles.away)
  }
}
