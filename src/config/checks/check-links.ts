// Account links hold for those only who come past them, and are worth as much as the subject they hang on.
import type { Reading } from '../reading.ts'
import type { Config, SignInConfig } from '../schema.ts'
import { firstProvidersOf, isSignIn } from '../uris.ts'

export function checkLinks(config: Config, reading: Reading): void {
  const signIns = config.providers.filter(isSignIn).filter(({ enabled }) => enabled)
  warnOfWaysAround(config, signIns, reading)
  for (const [index, provider] of config.providers.entries())
    if (isSignIn(provider) && provider.enabled) warnOfNames(provider, index, reading)
}

/** Whoever signs in beside the links gets the account that the provider says, whosesoever it is. */
function warnOfWaysAround({ portals }: Config, signIns: readonly SignInConfig[], { problems }: Reading): void {
  for (const [index, portal] of portals.entries()) {
    const names = firstProvidersOf(portal)
    const used = signIns.filter(({ name }) => names.includes(name))
    const linked = used.find(({ link }) => link !== undefined)
    const other = used.find(
      ({ link, profiles }) => link === undefined && !profiles?.every(({ account }) => account !== undefined),
    )
    if (linked && other)
      problems.warning(
        ['portals', index, 'providers'],
        `names ${linked.name}, whose accounts are linked, and ${other.name} without link: who signs in there gets any account it says`,
        `add link to ${other.name}, or write another account for its people, as in account: '"${other.name.toLowerCase()}-" & account'`,
      )
  }
}

const changing = /^(e?mail|login|user_?name|preferred_username|upn|name|nick(name)?)$/i

function warnOfNames(
  { link, subjectAttribute }: SignInConfig & { readonly subjectAttribute?: string },
  index: number,
  { problems }: Reading,
): void {
  if (link && subjectAttribute !== undefined && changing.test(subjectAttribute))
    problems.warning(
      ['providers', index, 'subjectAttribute'],
      `is ${subjectAttribute}, which can become somebody else's: they would get the linked account`,
      'write the member that is never given again, for example id',
    )
}
