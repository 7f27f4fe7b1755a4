// What cannot be right about post-login actions, profiles and account links, and about the state they need.
import type { Expression } from '../../expression/compile.ts'
import { reservedNames } from '../../expression/reads.ts'
import { compiledAt, lint, locateIn } from '../expression-check.ts'
import type { Path } from '../positions.ts'
import type { Reading } from '../reading.ts'
import type { Config, PostLoginConfig, ProfileConfig, SignInConfig } from '../schema.ts'
import { isSignIn } from '../uris.ts'
import { checkCall, refuseToken } from './check-calls.ts'
import { checkLinks } from './check-links.ts'

export function checkSigningIn(config: Config, reading: Reading): void {
  for (const [index, provider] of config.providers.entries()) {
    if (!isSignIn(provider)) continue
    const path = ['providers', index]
    refuseSameNames(provider.postLogin, [...path, 'postLogin'], reading)
    for (const [at, action] of provider.postLogin.entries()) checkAction(action, [...path, 'postLogin', at], reading)
    if (provider.profiles) checkProfiles(provider.profiles, [...path, 'profiles'], reading)
    if (provider.enabled && config.server.state === undefined) refuseWithoutState(provider, path, reading)
  }
  checkLinks(config, reading)
  const isUsed = config.providers.some(
    (provider) => isSignIn(provider) && provider.enabled && statefulKeysOf(provider).length > 0,
  )
  // beside sessions in cookies a Redis also says who was signed out
  const isShared = config.session.store === 'cookie' && !config.server.state?.startsWith('sqlite:')
  if (config.server.state !== undefined && !isUsed && !isShared)
    reading.problems.warning(
      ['server', 'state'],
      'is used by nothing: no provider has link or a profile with provision',
      'take it away, or add what needs it',
    )
}

const statefulKeysOf = ({ link, profiles }: SignInConfig): readonly Path[] => [
  ...(link ? [['link']] : []),
  ...(profiles ?? []).flatMap((profile, at) => (profile.provision ? [['profiles', at, 'provision']] : [])),
]

function refuseWithoutState(provider: SignInConfig, path: Path, { problems }: Reading): void {
  if (problems.isSettled(['server', 'state'])) return
  for (const key of statefulKeysOf(provider))
    problems.add({
      severity: 'error',
      path: [...path, ...key],
      message: 'needs server.state, where it is remembered',
      advice: 'add state: sqlite:/var/lib/postern/state.db to server, or redis://HOST:6379 where there are several replicas',
      atKey: true,
    })
}

function refuseSameNames(list: readonly { readonly name: string }[], path: Path, { problems }: Reading): void {
  const seen = new Set<string>()
  for (const [index, { name }] of list.entries()) {
    if (seen.has(name.toLowerCase()))
      problems.error([...path, index, 'name'], 'stands twice in this list', 'give each a name of its own')
    seen.add(name.toLowerCase())
  }
}

function checkAction(action: PostLoginConfig, path: Path, reading: Reading): void {
  checkCall(action.call, [...path, 'call'], true, reading)
  for (const [name, source] of Object.entries(action.set)) {
    const at = [...path, 'set', name]
    if (isTaken(name)) refuseName(at, reading)
    checkValue(source, at, reading)
  }
  if (action.onError === 'continue' && Object.keys(action.set).length === 0)
    reading.problems.warning(
      path,
      'sets nothing and may fail: nothing comes of it',
      'add set: { NAME: EXPRESSION }, or write onError: deny',
    )
}

/** Where they are known they are not facts. */
const ofCalls: ReadonlySet<string> = new Set(['token', 'answer', 'status'])
const isTaken = (name: string): boolean => reservedNames.has(name) || ofCalls.has(name)

function refuseName(path: Path, { problems }: Reading): void {
  problems.add({
    severity: 'error',
    path,
    message: 'is a name of our own, which nothing replaces',
    advice: 'choose another name',
    atKey: true,
  })
}

function checkValue(source: string, path: Path, reading: Reading): Expression | undefined {
  const expression = compiledAt(source, 'value', path, reading)
  if (expression) refuseToken({ expression, path, place: placeOf('token', source, path, reading) }, reading)
  return expression
}

const placeOf = (word: string, source: string, path: Path, reading: Reading) =>
  locateIn(path, source, reading)(Math.max(0, source.search(new RegExp(`\\b${word}\\b`))))

function checkProfiles(profiles: readonly ProfileConfig[], path: Path, reading: Reading): void {
  if (profiles.length === 0)
    reading.problems.warning(
      path,
      'is an empty list: nobody gets in',
      'add a profile, or take the key away where none are wanted',
    )
  refuseSameNames(profiles, path, reading)
  let forAll: string | undefined
  for (const [index, profile] of profiles.entries()) {
    checkProfile(profile, [...path, index], reading)
    if (forAll !== undefined)
      reading.problems.warning(
        [...path, index],
        `is never reached: profile ${forAll} above it fits everybody`,
        'move it up, or take it away',
      )
    else if (fitsEverybody(profile)) forAll = profile.name
  }
}

const fitsEverybody = ({ when }: ProfileConfig): boolean => /^\s*\(*\s*true\s*\)*\s*$/.test(when)

function checkProfile(profile: ProfileConfig, path: Path, reading: Reading): void {
  const when = [...path, 'when']
  const condition = compiledAt(profile.when, 'rule', when, reading)
  if (condition) {
    refuseToken({ expression: condition, path: when, place: placeOf('token', profile.when, when, reading) }, reading)
    warnOfChosen(condition, profile.when, when, reading)
    if (!fitsEverybody(profile)) lint(profile.when, undefined, when, locateIn(when, profile.when, reading), reading)
  }
  if (profile.attributes['name'] !== undefined) refuseName([...path, 'attributes', 'name'], reading)
  for (const [at, source] of shapeOf(profile, path)) {
    const expression = checkValue(source, at, reading)
    if (expression && profile.provision) warnOfUnsteady(expression, source, at, reading)
    else if (expression) warnOfChosen(expression, source, at, reading)
  }
  if (profile.provision) checkCall(profile.provision, [...path, 'provision'], false, reading)
}

const shapeOf = ({ account, groups, attributes }: ProfileConfig, path: Path): readonly (readonly [Path, string])[] => [
  ...(account === undefined ? [] : [[[...path, 'account'], account] as const]),
  ...(groups === undefined ? [] : [[[...path, 'groups'], groups] as const]),
  ...Object.entries(attributes).map(([name, source]) => [[...path, 'attributes', name], source] as const),
]

/** A profile is chosen once, at the sign-in: by whoever writes the address that it begins with. */
function warnOfChosen({ reads }: Expression, source: string, path: Path, reading: Reading): void {
  if (reads.facts.has('request'))
    reading.problems.warning(
      path,
      'reads request, which at the sign-in is the page that the person asks for first: they choose their profile',
      'decide by the person here, and by the page in rules or headers',
      placeOf('request', source, path, reading),
    )
}

/** What differs from one sign-in to the next would be sent to the portal at each of them. */
function warnOfUnsteady({ reads }: Expression, source: string, path: Path, reading: Reading): void {
  const word = ['now', 'authenticated_at', 'client_ip', 'is_client_ip_private', 'request'].find((fact) => reads.facts.has(fact))
  if (word !== undefined)
    reading.problems.warning(
      path,
      `reads ${word}: where it changes, the person is provisioned again`,
      'leave it out of the shape of a profile with provision',
      placeOf(word, source, path, reading),
    )
}
