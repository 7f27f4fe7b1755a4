// What cannot be right between the keys of a WEBSEAL provider.
import { compileNames } from '../../header-names.ts'
import type { Path } from '../positions.ts'
import type { Reading } from '../reading.ts'
import type { Config, WebsealConfig } from '../schema.ts'
import { warnOfWideRange } from './check-server.ts'

export function checkWebseal(provider: WebsealConfig, path: Path, config: Config, reading: Reading): void {
  const { problems } = reading
  // another protocol may have been meant
  if (problems.isSettled([...path, 'protocol'])) return
  const { trustedSourceIps, clientIpHeader, clientCertificate } = provider
  if (trustedSourceIps.length === 0 && provider.enabled)
    problems.warning(
      [...path, 'trustedSourceIps'],
      'is empty: the mode is off, nobody is believed',
      "name WebSEAL's addresses, or write enabled: false",
    )
  for (const [index, range] of trustedSourceIps.entries()) warnOfWideRange(range, [...path, 'trustedSourceIps', index], reading)
  if (clientIpHeader !== undefined && config.server.trustedProxies.length === 0)
    problems.warning(
      [...path, 'clientIpHeader'],
      'is never read: server.trustedProxies is empty',
      'name the proxies that write it, or take it away',
    )
  if (clientCertificate.length > 0 && config.server.tls?.clientCa === undefined)
    problems.error(
      [...path, 'clientCertificate'],
      'can never be fulfilled: Postern asks for no client certificate',
      'add server.tls.clientCa',
    )
  checkHeaderNames(provider, path, reading)
}

const kindOf = compileNames([])
function checkHeaderNames(provider: WebsealConfig, path: Path, { problems }: Reading): void {
  const named = (['userHeader', 'groupsHeader', 'clientIpHeader', 'clientAddressHeader'] as const).map(
    (key) => [[key], provider[key]] as const,
  )
  const passed = provider.passThrough.map((name, index) => [['passThrough', index], name] as const)
  for (const [keys, name] of [...named, ...passed]) {
    if (name === undefined) continue
    const kind = kindOf(name)
    const isForwarding =
      (kind === 'rebuilt' || kind === 'forwarded') && (keys[0] === 'clientIpHeader' || keys[0] === 'clientAddressHeader')
    if (kind !== 'pass' && kind !== 'identity' && !isForwarding)
      problems.error(
        [...path, ...keys],
        'is a header with a meaning of its own',
        'name the header that WebSEAL sets, for example iv-user',
      )
  }
}
