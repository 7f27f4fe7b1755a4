// Portals that share a session: a browser has to bring it to each of them, and it has to mean the same there.
import type { Reading } from '../reading.ts'
import type { Config, PortalConfig } from '../schema.ts'
import { findPublicUrl, hostOf } from '../uris.ts'

export function checkGroups(config: Config, reading: Reading): void {
  const first = new Map<string, PortalConfig>()
  for (const [index, portal] of config.portals.entries()) {
    const { group } = portal.session
    if (group === undefined || reading.problems.isSettled(['portals', index])) continue
    const known = first.get(group)
    if (known) checkMember(portal, known, index, config, reading)
    else first.set(group, portal)
    refuseForeignName(group, index, config, reading)
    warnOfLoneliness(group, index, config, reading)
  }
}

function checkMember(portal: PortalConfig, first: PortalConfig, index: number, config: Config, { problems }: Reading): void {
  const at = ['portals', index, 'session', 'group']
  const isUnsure = ['host', 'publicUrl'].some((key) => problems.isSettled(['portals', index, key]))
  if (!isUnsure && placeOf(portal, config) !== placeOf(first, config))
    problems.error(
      at,
      `is the group of ${first.name}, which has another host: browsers would not bring the session`,
      'share a group between portals of one host only',
    )
  if (timesOf(portal, config) !== timesOf(first, config))
    problems.error(
      at,
      `is the group of ${first.name}, whose session ends at other times`,
      'give both the same idle, lifetime and idleRequiresSignIn',
    )
}

function placeOf(portal: PortalConfig, config: Config): string {
  const url = findPublicUrl(portal, config)
  return url === undefined ? '' : `${url} ${hostOf(portal, config)}`
}

const timesOf = ({ session }: PortalConfig, { session: whole }: Config): string =>
  JSON.stringify([
    session.idle ?? whole.idle,
    session.lifetime ?? whole.lifetime,
    session.idleRequiresSignIn ?? whole.idleRequiresSignIn,
  ])

/** A session is named after its group, or after the portal that has none. */
function refuseForeignName(group: string, index: number, { portals }: Config, { problems }: Reading): void {
  const other = portals.find(({ name, session }) => name.toLowerCase() === group.toLowerCase() && session.group !== group)
  if (other)
    problems.error(
      ['portals', index, 'session', 'group'],
      `is the name of the portal ${other.name}, which is not in the group: their cookies would have one name`,
      'give the group another name',
    )
}

function warnOfLoneliness(group: string, index: number, { portals }: Config, { problems }: Reading): void {
  if (portals.filter(({ session }) => session.group === group).length < 2)
    problems.warning(
      ['portals', index, 'session', 'group'],
      'is the group of no other portal',
      'give another portal the same group, or take it away',
    )
}
