// Links of a 103 answer. Node checks each with a pattern that backtracks exponentially: 192 bytes of a portal would hold up
// everybody, so it only ever sees links that this linear one has let through.
import type { RawHeaders } from './engine.ts'
import { text } from './response-headers.ts'

const parameter = '[A-Za-z-]{1,32}(?:=(?:[A-Za-z0-9/._-]{1,128}|"[A-Za-z0-9/._ -]{0,128}"))?'
const plainLink = new RegExp(`^<[\\x21-\\x3b\\x3d\\x3f-\\x7e]{1,1024}>(?:; ?${parameter}){1,8}$`)
/** A page needs a handful. */
const most = 32

/** The links that may be passed on; what looks otherwise is left out, a hint is no loss. */
export function linksOf(headers: RawHeaders): string[] {
  const links: string[] = []
  for (let at = 0; at + 1 < headers.length; at += 2) {
    if (text(headers[at] as string).toLowerCase() === 'link')
      links.push(
        ...text(headers[at + 1] as string)
          .split(', <')
          .map((link, i) => (i === 0 ? link : `<${link}`)),
      )
  }
  return links.filter((link) => plainLink.test(link)).slice(0, most)
}
