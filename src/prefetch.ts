import type { RequestView } from './types.ts'

/** A link that is only fetched ahead must not leave a flow behind, nor end a session. */
export const isPrefetch = (request: Pick<RequestView, 'lines'>): boolean =>
  ['sec-purpose', 'purpose', 'x-moz'].some((name) => request.lines(name).some((line) => /prefetch|prerender/i.test(line)))
