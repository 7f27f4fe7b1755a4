// A configuration file with all it names becomes a Config, whole or not at all.
import { dirname, join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { missingKeysOf } from '../../src/config/incomplete.ts'
import { loadConfig } from '../../src/config/load.ts'
import { firstProvidersOf, providerNamesOf } from '../../src/config/uris.ts'
import { ConfigError } from '../../src/errors.ts'
import { complaints, key, load, minimal, written } from './configuration.ts'

const template = {
  protocol: 'OIDC',
  default: 'true',
  name: 'PLAY',
  callbackUrl: 'https://home.company.com/cas/login?client_name=PLAY',
  stxAccountAttribute: 'upn',
  clientId: 'portal',
  clientSecret: 'from-the-template',
  discoveryUri: 'https://idp.company.com/.well-known/openid-configuration',
}
const withProvider = (entry: string) => minimal.replace(/ {2}- \{ name: PLAY.*/, `  - ${entry}`)

describe('a configuration of twenty lines', () => {
  it('has the defaults of the contract', async () => {
    const { config, warnings } = await load(minimal)
    expect(warnings).toEqual([])
    expect(config.server).toMatchObject({
      listen: { host: '0.0.0.0', port: 8080 },
      health: { host: '0.0.0.0', port: 9091 },
      admin: { host: '127.0.0.1', port: 9090 },
      trustedProxies: [],
      basePath: '/_postern',
      timeouts: { connect: 5000, response: 60_000, stream: 0, headers: 15_000, drainDelay: 5000, drain: 25_000 },
      maxHeaderBytes: 32_768,
      engine: 'undici',
    })
    expect(config.session).toMatchObject({
      store: 'cookie',
      idle: 1_800_000,
      lifetime: 28_800_000,
      claims: [],
      cookie: { name: 'auto', sameSite: 'lax' },
    })
    expect(config.providers[0]).toMatchObject({
      label: 'PLAY',
      scope: 'openid email profile',
      accountAttribute: 'email',
      accountCase: 'keep',
      userinfo: 'auto',
      endSession: true,
    })
    expect(config.portals[0]).toMatchObject({
      path: '/',
      headers: { 'iv-user': 'account', 'iv-groups': 'groups' },
      preserveHost: true,
      authorization: 'pass',
      mode: 'enforce',
      healthCheck: { path: '/', timeout: 2000 },
      routes: [],
    })
  })

  it('may be JSON', async () => {
    const json = JSON.stringify({
      server: { publicUrl: 'https://home.company.com' },
      session: { keys: [key] },
      portals: [{ name: 'home', upstream: 'http://127.0.0.1:8081', routes: [{ path: '/**', access: 'public' }] }],
    })
    const { config } = await loadConfig(written({ 'postern.json': json }), { env: {} })
    expect(config.portals[0]?.routes[0]?.access).toBe('public')
  })

  it('is nothing at all where the file does not exist', async () => {
    const failure = await loadConfig('no/such/postern.yaml', { env: {} }).catch((error: unknown) => error)
    expect(failure).toBeInstanceOf(ConfigError)
    expect((failure as ConfigError).problems).toMatchObject([
      { file: 'no/such/postern.yaml', line: 1, message: 'the file does not exist' },
    ])
  })

  it('says where each of its values was written', async () => {
    const file = written({ 'postern.yaml': minimal })
    const { locate } = await loadConfig(file, { env: {} })
    expect(locate(['portals', 0, 'upstream'])).toEqual({ file, line: 7, column: 29 })
    expect(locate(['session', 'idle'])).toMatchObject({ line: 3 })
  })
})

describe('values', () => {
  it.each([
    ['500ms', 500],
    ['5s', 5000],
    ['30m', 1_800_000],
    ['8h', 28_800_000],
    ['7d', 604_800_000],
    ['1h30m', 5_400_000],
  ])('a time of %s is %i milliseconds', async (text, ms) => {
    expect((await load(minimal.replace('session: {', `session: { lifetime: 30d, idle: ${text},`))).config.session.idle).toBe(ms)
  })

  it.each([
    ['2KiB', 2048],
    ['1MiB', 1_048_576],
    ['32 kB', 32_000],
    ['4096', 4096],
    ['"4096"', 4096],
  ])('a size of %s is %i bytes', async (text, bytes) => {
    expect((await load(minimal.replace('server: {', `server: { maxHeaderBytes: ${text},`))).config.server.maxHeaderBytes).toBe(
      bytes,
    )
  })

  it.each([
    ['8080', { host: '0.0.0.0', port: 8080 }],
    ['":8080"', { host: '0.0.0.0', port: 8080 }],
    ['localhost:80', { host: 'localhost', port: 80 }],
    ['"[::1]:0"', { host: '::1', port: 0 }],
  ])('listening on %s is understood', async (text, listen) => {
    expect((await load(minimal.replace('server: {', `server: { listen: ${text},`))).config.server.listen).toEqual(listen)
  })

  it('maxAge of a provider is in seconds, as the protocol counts', async () => {
    const { config } = await load(minimal.replace('clientId: portal', 'clientId: portal, maxAge: 15m'))
    expect(config.providers[0]).toMatchObject({ maxAge: 900 })
  })

  it('scope always holds openid', async () => {
    const { config } = await load(minimal.replace('clientId: portal', 'clientId: portal, scope: "email groups"'))
    expect(config.providers[0]).toMatchObject({ scope: 'openid email groups' })
  })

  it('hosts are compared as browsers send them', async () => {
    const { config } = await load(minimal.replace('name: home,', 'name: home, host: "BÜRO.Company.com.",'))
    expect(config.portals[0]?.host).toBe('xn--bro-hoa.company.com')
  })

  it('one entry may stand for a list of names in a certificate', async () => {
    const webseal =
      '{ name: PLAY, protocol: WEBSEAL, trustedSourceIps: [192.0.2.1], clientCertificate: webseal, enabled: "true" }'
    expect(await complaints(withProvider(webseal))).toEqual([
      'providers[0].clientCertificate: can never be fulfilled: Postern asks for no client certificate',
    ])
  })
})

describe('providers of a portal', () => {
  const providers = (list: string) =>
    minimal
      .replace('portals:', '  - { name: FIDO, protocol: OIDC, issuer: "https://fido.company.com", clientId: portal }\nportals:')
      .replace('providers: [PLAY]', `providers: ${list}`)

  it('are entries with a name, however they are written', async () => {
    const { config } = await load(providers('[PLAY, { name: FIDO, after: PLAY, when: is_client_ip_private = false }]'))
    const [portal] = config.portals
    expect(portal?.providers).toEqual([{ name: 'PLAY' }, { name: 'FIDO', after: 'PLAY', when: 'is_client_ip_private = false' }])
    expect(portal && providerNamesOf(portal)).toEqual(['PLAY', 'FIDO'])
    expect(portal && firstProvidersOf(portal)).toEqual(['PLAY'])
  })

  it.each(['account = "a"', '"x" in groups', 'hd = "company.com"', 'claims.hd = "x"', 'provider = "PLAY"', '$exists($)'])(
    'cannot be chosen by %s: nobody is known yet',
    async (when) => {
      expect(await complaints(providers(`[{ name: PLAY, when: '${when}' }, FIDO]`))).toEqual([
        expect.stringMatching(/^portals\[0\]\.providers\[0\]\.when: reads .* nobody is known yet/),
      ])
    },
  )

  it.each(['account = "a"', '"x" in groups', 'claims.hd = "x"'])('may be a second factor by %s', async (when) => {
    expect(await complaints(providers(`[PLAY, { name: FIDO, after: PLAY, when: '${when}' }]`))).toEqual([])
  })
})

describe('break-glass in the configuration', () => {
  const enforced = async (text: string, now?: number) => {
    const { config, warnings } = await load(minimal.replace('name: home,', `name: home, enforceLocal: ${text},`), {
      ...(now !== undefined && { now }),
    })
    return { enforceLocal: config.portals[0]?.enforceLocal, warnings: warnings.map(({ message }) => message) }
  }

  it('is off unless it is asked for', async () => {
    expect((await load(minimal)).config.portals[0]?.enforceLocal).toBe(false)
    expect(await enforced('false')).toEqual({ enforceLocal: false, warnings: [] })
  })

  it('holds for all and without an end, and warns of it', async () => {
    expect(await enforced('true')).toEqual({ enforceLocal: {}, warnings: [expect.stringContaining('is in force')] })
  })

  it('ends at its moment', async () => {
    const until = Date.parse('2026-03-01T12:00:00+01:00')
    const text = '{ from: [10.0.0.0/8], until: 2026-03-01T12:00:00+01:00 }'
    expect(await enforced(text, until - 1)).toEqual({
      enforceLocal: { from: ['10.0.0.0/8'], until },
      warnings: [expect.stringContaining('is in force')],
    })
    expect((await enforced(text, until)).warnings).toEqual([expect.stringContaining('is over')])
  })
})

describe('routes', () => {
  it.each([
    ['session', 'session'],
    ['every', 'every'],
    ['15m', 900_000],
  ])('may ask for a sign-in: reauthenticate %s', async (text, expected) => {
    const { config } = await load(minimal.replace('name: home,', `name: home, routes: [{ path: /a, reauthenticate: ${text} }],`))
    expect(config.portals[0]?.routes[0]?.reauthenticate).toBe(expected)
  })
})

describe('a provider without OpenID Connect', () => {
  it('is an issuer of its own and asks for nothing it was not told to ask for', async () => {
    const hub =
      '{ name: HUB, protocol: oauth2, authorizationEndpoint: "https://hub.company.com/a", tokenEndpoint: "https://hub.company.com/t", userinfoEndpoint: "https://hub.company.com/u", clientId: portal, accountAttribute: login }'
    const { config, warnings } = await load(withProvider(hub).replace('[PLAY]', '[HUB]'))
    expect(warnings).toEqual([])
    expect(config.providers[0]).toMatchObject({
      issuer: 'oauth2:HUB',
      subjectAttribute: 'sub',
      label: 'HUB',
      passParameters: ['login_hint'],
    })
    expect(config.providers[0]).not.toHaveProperty('scope')
  })

  it("is the portal's own sign-in", async () => {
    const { config } = await load(withProvider('{ name: own, protocol: local }').replace('[PLAY]', '[own]'))
    expect(config.providers[0]).toMatchObject({ protocol: 'LOCAL', label: "Use the portal's own sign-in", rules: [] })
  })
})

describe('a provider that is not configured yet', () => {
  const later = (entry: string) => minimal.replace('portals:', `  - ${entry}\nportals:`)

  it('may lack everything while it is disabled, references and empty texts too', async () => {
    const text = later('{ name: STA, protocol: OIDC, enabled: "${env:STA}", clientId: "", clientSecret: "${env:NO}", issuer: }')
    const { config, warnings } = await load(text, { env: { STA: 'false' } })
    expect(warnings).toEqual([])
    expect(config.providers[1] && missingKeysOf(config.providers[1])).toEqual(['issuer', 'clientId'])
    expect(await complaints(text, { env: { STA: 'true' } })).not.toEqual([])
  })

  it.each(['OIDC', 'OAUTH2'])('may not where it is enabled: %s', async (protocol) => {
    expect(await complaints(later(`{ name: STA, protocol: ${protocol} }`))).toContain('providers[1].clientId: is missing')
  })

  it('still has to be spelt right', async () => {
    expect(await complaints(later('{ name: STA, protocol: OIDC, enabled: false, isuer: x }'))).toEqual([
      'providers[1].isuer: unknown key',
    ])
  })
})

describe('a provider in a file of its own', () => {
  it("takes another product's template as it is", async () => {
    const { config, warnings } = await load(withProvider('file: play.json'), {}, { 'play.json': JSON.stringify(template) })
    expect(warnings).toEqual([])
    expect(config.providers[0]).toMatchObject({
      protocol: 'OIDC',
      name: 'PLAY',
      default: true,
      accountAttribute: 'upn',
      callbackUrl: template.callbackUrl,
      clientSecret: 'from-the-template',
    })
    expect(config.providers[0]).not.toHaveProperty('stxAccountAttribute')
  })

  it('takes what stands beside its name over what the file says', async () => {
    const { config } = await load(
      withProvider('{ file: play.json, label: Company }'),
      {},
      { 'play.json': JSON.stringify({ ...template, label: 'Play' }) },
    )
    expect(config.providers[0]?.label).toBe('Company')
  })

  it('resolves names of files from its own folder', async () => {
    const { config } = await load(
      withProvider('file: idp/play.json'),
      {},
      {
        'idp/play.json': JSON.stringify({ ...template, clientSecret: '$' + '{file:secret}' }),
        'idp/secret': 'deep\n',
        secret: 'shallow',
      },
    )
    expect(config.providers[0]).toMatchObject({ clientSecret: 'deep' })
  })

  it('may name its protocol in any case', async () => {
    const { config } = await load(minimal.replace('protocol: OIDC', 'protocol: oiDC'))
    expect(config.providers[0]?.protocol).toBe('OIDC')
  })
})

describe('references', () => {
  const secret = (reference: string) =>
    minimal.replace('clientId: portal', () => `clientId: portal, clientSecret: '${reference}'`)
  const secretOf = async (...args: Parameters<typeof load>) => (await load(...args)).config.providers[0]

  it('are replaced by the variable or the file, without the trailing line break', async () => {
    expect(await secretOf(secret('${env:A}-${file:b}'), { env: { A: 'one' } }, { b: ' two \r\n\n' })).toMatchObject({
      clientSecret: 'one- two ',
    })
  })

  it('are not looked for in what they yield', async () => {
    expect(await secretOf(secret('${env:A}'), { env: { A: '${env:B}', B: 'twice' } })).toMatchObject({ clientSecret: '${env:B}' })
  })

  it('are the only thing a $ means', async () => {
    expect(await secretOf(secret('$A ${ $env:A $$ {env:A}'))).toMatchObject({ clientSecret: '$A ${ $env:A $$ {env:A}' })
  })

  it('may give booleans, times and lists of one', async () => {
    const text = minimal.replace('clientId: portal', 'clientId: portal, endSession: "${env:OFF}", maxAge: "${env:AGE}"')
    expect(await secretOf(text, { env: { OFF: 'false', AGE: '5m' } })).toMatchObject({ endSession: false, maxAge: 300 })
  })

  it('name the variable that is not set, and all of them at once', async () => {
    expect(await complaints(secret('${env:A}').replace(key, '"${file:/no/such}"'))).toEqual([
      'session.keys[0]: the file /no/such does not exist',
      'providers[0].clientSecret: the environment variable A is not set',
    ])
  })

  it('come from the environment of the process where no other is given', async () => {
    const file = written({ 'postern.yaml': secret('${env:PATH}') })
    expect((await loadConfig(file)).config.providers[0]).toMatchObject({ clientSecret: process.env['PATH'] })
  })
})

describe('without secrets', () => {
  const all = `
server: { publicUrl: "\${env:URL}", adminToken: "\${env:TOKEN}", listen: "\${env:LISTEN}", maxHeaderBytes: "\${env:SIZE}", basePath: "\${env:BASE}", trustedProxies: ["\${env:PROXY}"], engine: "\${env:ENGINE}", tls: { cert: no-such-file, key: "\${file:no-such}" } }
session: { keys: ["\${env:KEY}", "\${env:KEY2}"], idle: "\${env:IDLE}" }
providers:
  - { name: "\${env:NAME}", protocol: OIDC, issuer: "https://\${env:HOST}", clientId: "\${env:ID}", clientSecret: "\${env:SECRET}", enabled: true, endSession: "\${env:END}" }
portals:
  - { name: home, upstream: "\${env:UPSTREAM}", providers: ["\${env:NAME}"] }
`
  it('every kind of value may come from a reference', async () => {
    const { config, warnings } = await load(all, { withoutSecrets: true })
    expect(warnings).toEqual([])
    expect(config.session.keys).toHaveLength(2)
    expect(config.portals[0]?.providers).toEqual([{ name: config.providers[0]?.name }])
  })

  it('nothing is read from the environment', async () => {
    const env = { SECRET: 'canary', ID: 'canary', TOKEN: 'canary' }
    expect(JSON.stringify((await load(all, { withoutSecrets: true, env })).config)).not.toContain('canary')
  })

  it('what can be resolved is, where only the missing are left out', async () => {
    const { config } = await load(all.replace(', tls: { cert: no-such-file, key: "${file:no-such}" }', ''), {
      withoutSecrets: 'missing',
      env: { ID: 'known' },
    })
    expect(config.providers[0]).toMatchObject({ clientId: 'known' })
    expect(config.session.keys).toHaveLength(2)
  })

  it('mistakes are found all the same', async () => {
    expect(await complaints(all.replace('protocol: OIDC', 'protocol: ODIC'), { withoutSecrets: true })).toContain(
      'providers[0].protocol: is no protocol',
    )
    expect(await complaints(all.replace('upstream: "', 'upstraem: "'), { withoutSecrets: true })).toEqual([
      'portals[0].upstream: is missing',
      'portals[0].upstraem: unknown key',
    ])
  })
})

describe('rules', () => {
  const rules = {
    'rules/ours.jsonata': "/** message: Only for us. */\nhd = 'company.com'\n",
    'rules/ours.cases.yaml': '- { name: one, facts: { hd: company.com }, expect: allow }\n',
    'rules/unused.jsonata': 'true',
  }
  const text = `${minimal.replace('upstream:', 'rules: [ours, { name: staff, when: "\'staff\' in groups", message: No. }], upstream:')}\nrulesDir: rules\n`

  it('are read from rulesDir and from the spot, with message and place', async () => {
    const file = written({ 'postern.yaml': text, ...rules })
    const { rules: loaded, unusedRules } = await loadConfig(file, { env: {} })
    expect(loaded.get('ours')).toMatchObject({
      file: join(dirname(file), 'rules/ours.jsonata'),
      message: 'Only for us.',
      position: { line: 1, column: 1 },
    })
    expect(loaded.get('ours')?.source).toContain("hd = 'company.com'")
    expect(loaded.get('staff')).toEqual({ file, source: "'staff' in groups", message: 'No.', position: { line: 7, column: 55 } })
    expect(unusedRules).toEqual(['unused'])
  })

  it('are watched together with everything else that was read or looked for', async () => {
    const file = written({ 'postern.yaml': text.replace(key, '"${file:key}"'), key, ...rules })
    const { files } = await loadConfig(file, { env: {} })
    const names = files.map((one) => one.slice(dirname(file).length + 1)).sort()
    expect(names).toEqual(['key', 'postern.yaml', 'rules/ours.cases.yaml', 'rules/ours.jsonata'])
  })

  it('are watched also where the configuration is refused because one is missing', async () => {
    const file = written({ 'postern.yaml': text })
    const error = await loadConfig(file, { env: {} }).catch((thrown: unknown) => thrown)
    expect((error as ConfigError).files).toEqual([file, join(dirname(file), 'rules/ours.jsonata')])
  })

  it('may be given the same on several routes', async () => {
    const route = (path: string) => `{ path: ${path}, rules: [{ name: a, when: "account = 'a'" }] }`
    expect(await complaints(minimal.replace('upstream:', `routes: [${route('/a')}, ${route('/b')}], upstream:`))).toEqual([])
  })
})

describe('everything wrong is said at once', () => {
  it('between keys, also where keys themselves are wrong', async () => {
    const text = minimal
      .replace('publicUrl:', 'listn: 1, publicUrl:')
      .replace('[PLAY]', '[PLAI]')
      .replace('issuer: "https', 'issuer: "http')
    expect(await complaints(text)).toEqual([
      'server.listn: unknown key',
      'providers[0].name: no portal names this provider',
      'providers[0].issuer: is plain http',
      'portals[0].providers[0]: there is no provider "PLAI"',
    ])
  })

  it('a value that is wrong already is not complained about a second time', async () => {
    expect(await complaints(minimal.replace('name: PLAY', 'name: "*"'))).toEqual(
      ['providers[0].name: is no name', 'providers[0].name: no portal names this provider'].slice(0, 1),
    )
  })

  it('a warning alone stops nothing', async () => {
    const { warnings } = await load(minimal.replace('https://home', 'http://home'))
    expect(warnings).toMatchObject([{ severity: 'warning', key: 'server.publicUrl' }])
  })
})
