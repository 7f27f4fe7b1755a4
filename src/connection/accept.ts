// What a client would rather read.

/** `text/html` at least as wanted as anything else that is named; `*\/*` alone is a program (RFC 9110 section 12.5.1). */
export function prefersHtml(accept: string): boolean {
  let html = 0
  let other = 0
  for (const part of accept.split(',', 32)) {
    const [type, ...parameters] = part.trim().toLowerCase().split(';')
    const q = Number(parameters.map((text) => /^\s*q=([\d.]+)\s*$/.exec(text)?.[1]).find((text) => text !== undefined) ?? 1)
    if (type === 'text/html' || type === 'application/xhtml+xml') html = Math.max(html, q)
    else if (type !== '*/*') other = Math.max(other, q)
  }
  return html > 0 && html >= other
}
