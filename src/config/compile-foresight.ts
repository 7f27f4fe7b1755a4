// Profiles of the configuration for whoever explains a decision. Post-login actions and account links are only named: an explanation
// calls nobody and looks nobody up.
import type { Foreseeing, Foresight } from '../explanation/foresight.ts'
import { factsOf } from '../facts.ts'
import { compileProfiles, type Profiles } from '../identity/accounts/profiles.ts'
import type { Json } from '../types.ts'
import type { Config, SignInConfig } from './schema.ts'
import { isSignIn } from './uris.ts'

/** Compiles a provider's profiles when it is first asked about: nobody else pays for it. */
export function compileForesight({ providers }: Config): NonNullable<Foreseeing['foresee']> {
  const wanted = new Map(
    providers.filter(isSignIn).flatMap((provider) => (provider.enabled ? [[provider.name, provider] as const] : [])),
  )
  const known = new Map<string, Foresight>()
  return (name) => {
    const provider = wanted.get(name)
    if (!provider || (provider.postLogin.length === 0 && !provider.profiles && !provider.link)) return undefined
    const foresight = known.get(name) ?? foresightOf(provider)
    known.set(name, foresight)
    return foresight
  }
}

function foresightOf(provider: SignInConfig): Foresight {
  const profiles: Profiles | undefined = provider.profiles && compileProfiles(provider.profiles, provider.accountCase)
  const set = [...new Set(provider.postLogin.flatMap((action) => Object.keys(action.set)))]
  const missing = (values: Readonly<Record<string, Json>>) => set.filter((name) => !Object.hasOwn(values, name))
  return {
    missing,
    split: (values) => ({
      claims: Object.fromEntries(Object.entries(values).filter(([name]) => !set.includes(name))),
      added: Object.fromEntries(set.map((name) => [name, Object.hasOwn(values, name) ? (values[name] ?? null) : null])),
    }),
    shape: async (identity, { portal, request, now }) =>
      profiles ? profiles.shape(identity, factsOf(identity, { ...request, method: 'GET' }, portal, now)) : identity,
    notes: (values) => [
      ...(provider.postLogin.length > 0 ? [actionsNote(set, missing(values), provider)] : []),
      ...(provider.link
        ? [`account links of ${provider.name} are not looked up: who is linked keeps that account, and a link may refuse`]
        : []),
    ],
  }
}

function actionsNote(set: readonly string[], missing: readonly string[], { name, postLogin }: SignInConfig): string {
  const asked = `post-login actions of ${name} are not asked (${postLogin.map((action) => action.name).join(', ')}), and they may refuse`
  if (set.length === 0) return asked
  if (missing.length === 0) return `${asked}: ${set.join(', ')} as given`
  const are = missing.length === 1 ? 'is' : 'are'
  return `${asked}: ${missing.join(', ')} ${are} missing  → give what they would set under ${missing.length === 1 ? 'this name' : 'these names'}`
}
