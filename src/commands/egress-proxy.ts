// Through which proxy calls to identity providers go.

/** `HTTPS_PROXY`/`HTTP_PROXY`, unless `NO_PROXY` names the host (by suffix on label borders, or `*`). */
export function egressProxyFrom(env: Readonly<Record<string, string | undefined>>): (url: string) => string | undefined {
  const exempt = (env['NO_PROXY'] ?? env['no_proxy'] ?? '').split(',').map((entry) =>
    entry
      .trim()
      .toLowerCase()
      .replace(/^\*?\./, ''),
  )
  return (text) => {
    const url = new URL(text)
    const host = url.hostname.toLowerCase()
    if (exempt.some((entry) => entry === '*' || (entry !== '' && (host === entry || host.endsWith(`.${entry}`)))))
      return undefined
    return url.protocol === 'https:' ? (env['HTTPS_PROXY'] ?? env['https_proxy']) : (env['HTTP_PROXY'] ?? env['http_proxy'])
  }
}
