import { describe, expect, it } from 'vitest'
import { createProvider } from '../../../src/identity/providers/index.ts'
import { createWebsealProvider, type WebsealOptions } from '../../../src/identity/providers/webseal.ts'
import type { AuthOutcome, RequestView } from '../../../src/types.ts'
import { itConforms } from './conformance.ts'
import { createRecorder, identityIn, type RequestParts, requestOf } from './fixtures.ts'

const options: WebsealOptions = {
  name: 'webseal',
  label: 'WebSEAL',
  trustedSourceIps: ['10.0.0.0/8', '2001:db8::/32'],
  userHeader: 'iv-user',
  groupsHeader: 'iv-groups',
  encoding: 'utf8_uri',
  clientCertificate: [],
  onMissing: 'deny',
  passThrough: [],
  strict: false,
  accountCase: 'keep',
  logoutUrl: '/pkmslogout',
}
const basic = (password: string, user = 'anybody') => `Basic ${Buffer.from(`${user}:${password}`).toString('base64')}`

function start(changes: Partial<WebsealOptions> = {}) {
  const time = { now: 1_000_000 }
  const log = createRecorder()
  const provider = createWebsealProvider({ ...options, ...changes }, { log, clock: () => time.now })
  const recognize = (parts: RequestParts): AuthOutcome =>
    provider.recognize!(requestOf({ from: '10.1.2.3', ...parts })) as AuthOutcome
  return {
    provider,
    log,
    time,
    recognize,
    user: (...lines: string[]) => recognize({ headers: lines.flatMap((line) => ['iv-user', line]) }),
  }
}
const reasonOf = (outcome: AuthOutcome) => (outcome.kind === 'rejected' ? outcome.reason : outcome.kind)

const asProvider = (sharedSecret: string | undefined) => () => {
  const secret = sharedSecret === undefined ? {} : { sharedSecret }
  const provider = createProvider({ protocol: 'WEBSEAL', ...options, ...secret }, { log: createRecorder(), clock: () => 5 })
  const credential = sharedSecret === undefined ? [] : ['authorization', basic(sharedSecret)]
  const headers = ['iv-user', 'ann', 'iv-groups', '"staff"', ...credential]
  const secrets = sharedSecret === undefined ? [] : [sharedSecret]
  return { provider, secrets, identify: async () => provider.recognize!(requestOf({ from: '10.0.0.1', headers })) }
}
itConforms('WEBSEAL', asProvider(undefined))
itConforms('WEBSEAL with a junction password', asProvider('dummy-4711'))

describe('a trusted source', () => {
  it('says who somebody is, with groups', () => {
    const identity = identityIn(start().recognize({ headers: ['iv-user', 'ann', 'iv-groups', '"grp a","grp b"'] }))
    expect(identity).toMatchObject({ issuer: 'webseal:webseal', subject: 'ann', account: 'ann', groups: ['grp a', 'grp b'] })
    expect(identity.authenticatedAt).toBe(1_000_000)
  })

  it('yields the same object while the headers are the same, another when they are not', () => {
    const { user, time } = start()
    const first = identityIn(user('ann'))
    time.now += 60_000
    expect(identityIn(user('ann'))).toBe(first)
    expect(identityIn(user('bob'))).not.toBe(first)
  })

  it('never takes the groups of one person for those of another', () => {
    const { recognize } = start()
    identityIn(recognize({ headers: ['iv-user', 'ann', 'iv-groups', '"admins"'] }))
    expect(identityIn(recognize({ headers: ['iv-user', 'bob', 'iv-groups', '"staff"'] })).groups).toEqual(['staff'])
    expect(identityIn(recognize({ headers: ['iv-user', 'bob'] })).groups).toEqual([])
  })

  it.each(['::ffff:10.1.2.3', '2001:db8::1'])('is recognised as %s', (from) => {
    expect(start().recognize({ from, headers: ['iv-user', 'ann'] }).kind).toBe('identified')
  })

  it('hands on the headers it may pass through', () => {
    const { user } = start({ passThrough: ['iv-creds', 'Iv_Server_Name'] })
    expect(user('ann')).toMatchObject({ passThrough: ['iv-creds', 'iv_server_name'] })
  })

  it('reads the headers it is configured for, and no other', () => {
    const { recognize } = start({ userHeader: 'X-Login', groupsHeader: 'X-Teams' })
    expect(identityIn(recognize({ headers: ['x-login', 'ann', 'x-teams', 'a,b', 'iv-user', 'root'] }))).toMatchObject({
      account: 'ann',
      groups: ['a', 'b'],
    })
  })
})

describe('anybody else', () => {
  const strangers: RequestParts[] = [
    { from: '192.0.2.1' },
    { from: '192.0.2.1', headers: ['x-forwarded-for', '10.1.2.3'] },
    { from: '192.0.2.1', headers: ['x-real-ip', '10.1.2.3'] },
    { from: '::ffff:192.0.2.1' },
    { from: '11.0.0.1' },
    { from: '' },
  ]
  it.each(strangers)('is nobody special: $from $headers', ({ headers = [], ...parts }) => {
    const { recognize, log } = start()
    expect(recognize({ ...parts, headers: [...headers, 'iv-user', 'root'] })).toEqual({ kind: 'absent' })
    expect(log.lines.map(({ level }) => level)).toEqual(['audit'])
  })

  it('is refused in strict mode, but only where identity headers came', () => {
    const { recognize } = start({ strict: true })
    expect(reasonOf(recognize({ from: '192.0.2.1', headers: ['iv-user', 'root'] }))).toBe('untrusted-peer')
    expect(reasonOf(recognize({ from: '192.0.2.1', headers: ['iv-creds', 'x'] }))).toBe('untrusted-peer')
    expect(recognize({ from: '192.0.2.1' })).toEqual({ kind: 'absent' })
  })

  it('fills the audit log once a minute per address, not more', () => {
    const { recognize, log, time } = start({ strict: true })
    const forge = (from: string) => recognize({ from, headers: ['iv-user', 'root'] })
    for (let i = 0; i < 50; i++) forge('192.0.2.1')
    forge('192.0.2.2')
    expect(log.lines).toHaveLength(2)
    time.now += 60_000
    forge('192.0.2.1')
    expect(log.lines).toHaveLength(3)
  })

  it('is everybody where the list is empty: the mode is off', () => {
    const { recognize, provider, log } = start({ trustedSourceIps: [], strict: true })
    expect(recognize({ headers: ['iv-user', 'root'] })).toEqual({ kind: 'absent' })
    expect(log.lines).toEqual([])
    expect(provider.status?.()).toMatchObject({ detail: 'off: trustedSourceIps is empty' })
  })
})

describe('the address in clientIpHeader', () => {
  const ask = (headers: readonly string[], isTrustedProxy = true, from = '172.16.0.9') =>
    start({ clientIpHeader: 'X-Real-Source' }).recognize({ from, isTrustedProxy, headers: [...headers, 'iv-user', 'ann'] }).kind

  it('is believed from a trusted proxy', () => expect(ask(['x-real-source', ' 10.9.9.9 '])).toBe('identified'))
  it('is not believed from anybody else', () => expect(ask(['x-real-source', '10.9.9.9'], false)).toBe('absent'))
  it('is not asked for where none is configured', () => {
    const parts = { from: '172.16.0.9', isTrustedProxy: true, headers: ['x-forwarded-for', '10.9.9.9', 'iv-user', 'ann'] }
    expect(start().recognize(parts).kind).toBe('absent')
  })
  it.each([
    [['x-real-source', '10.9.9.9', 'x-real-source', '10.9.9.9']],
    [['x-real-source', '10.9.9.9, 10.9.9.9']],
    [['x-real-source', '10.9.9.9:4711']],
    [['x-real-source', '010.9.9.9']],
    [['x-real-source', '10.9']],
    [['x-real-source', 'localhost']],
    [['x-real-source', '']],
    [['x-real-source', '192.0.2.1']],
    [[]],
  ])('must be exactly one address of the list: %j', (headers) => expect(ask(headers)).toBe('absent'))
})

describe('the junction password', () => {
  const sharedSecret = 'dummy pässword'
  const send = (headers: readonly string[], changes: Partial<WebsealOptions> = {}) => {
    const started = start({ sharedSecret, ...changes })
    return { ...started, outcome: started.recognize({ headers: ['iv-user', 'ann', ...headers] }) }
  }

  it('is the password of Basic, whoever the user', () => {
    expect(send(['authorization', basic(sharedSecret)]).outcome.kind).toBe('identified')
    expect(send(['authorization', basic(sharedSecret, '')]).outcome.kind).toBe('identified')
    expect(send(['authorization', basic(sharedSecret).replace('Basic', 'bASIC')]).outcome.kind).toBe('identified')
  })

  it.each([
    [[]],
    [['authorization', basic('wrong')]],
    [['authorization', basic('')]],
    [['authorization', basic(`${sharedSecret} `)]],
    [['authorization', basic('dummy')]],
    [['authorization', `Basic ${Buffer.from(sharedSecret).toString('base64')}`]],
    [['authorization', `Bearer ${sharedSecret}`]],
    [['authorization', basic(sharedSecret), 'authorization', basic('other')]],
  ])('wrong or missing refuses and is audited, without the password: %j', (headers) => {
    const { outcome, log } = send(headers)
    expect(reasonOf(outcome)).toBe('wrong-junction-password')
    expect(log.lines).toMatchObject([{ level: 'audit', msg: 'wrong junction password', fields: { peer: '10.1.2.3' } }])
    expect(JSON.stringify([outcome, log.lines])).not.toMatch(/dummy|ZHVtbX/)
  })

  it('is audited once a minute per address', () => {
    const { recognize, log, time } = start({ sharedSecret })
    for (let i = 0; i < 20; i++) recognize({ headers: ['authorization', basic('guess')] })
    time.now += 59_999
    recognize({})
    expect(log.lines).toHaveLength(1)
    time.now += 1
    recognize({})
    expect(log.lines).toHaveLength(2)
  })

  it('does not help somebody at an address that is not trusted', () => {
    const parts = { from: '192.0.2.1', headers: ['iv-user', 'ann', 'authorization', basic(sharedSecret)] }
    expect(start({ sharedSecret }).recognize(parts)).toEqual({ kind: 'absent' })
  })

  it('is taken out of the request, from whomever it comes; other credentials are not', () => {
    const { provider } = start({ sharedSecret })
    const consumes = (...headers: string[]) => provider.consumesAuthorization!(requestOf({ from: '192.0.2.1', headers }))
    expect(consumes('authorization', basic(sharedSecret))).toBe(true)
    expect(consumes('authorization', basic('own login'), 'authorization', basic(sharedSecret))).toBe(true)
    expect(consumes('authorization', basic('own login'))).toBe(false)
    expect(consumes()).toBe(false)
    expect(start().provider.consumesAuthorization!(requestOf({ headers: ['authorization', basic('')] }))).toBe(false)
  })
})

describe('the client certificate', () => {
  const clientCertificate = ['webseal.company.com', 'CN=webseal2']
  const send = (certificateNames: readonly string[], from = '10.1.2.3', strict = false) =>
    reasonOf(start({ clientCertificate, strict }).recognize({ from, certificateNames, headers: ['iv-user', 'ann'] }))

  it('may be any of the list', () => expect(send(['other', 'CN=webseal2'])).toBe('identified'))
  it('is asked for beside the address', () => expect(send(['webseal.company.com'], '192.0.2.1')).toBe('absent'))
  it.each([[[]], [['WEBSEAL.company.com']], [['webseal.company.com.evil.example']]])(
    'is missing: %j is no trusted source',
    (names) => {
      expect(send(names)).toBe('absent')
      expect(send(names, '10.1.2.3', true)).toBe('untrusted-peer')
    },
  )
})

describe('a header that came twice', () => {
  it.each([
    [['iv-user', 'ann', 'iv-user', 'root']],
    [['iv-user', 'ann', 'IV-User', 'ann']],
    [['iv-user', '', 'iv-user', 'root']],
    [['iv-user', 'ann', 'iv-groups', '"a"', 'iv-groups', '"admins"']],
    [['iv-user', 'ann, root']],
    [['iv-user', 'ann,root']],
    [['iv-user', 'cn=ann,o=company,root']],
    [['iv-user', 'Unauthenticated, root']],
  ])('is refused, first or last never wins: %j', (headers) => {
    expect(reasonOf(start().recognize({ headers }))).toBe('header-repeated')
  })

  it.each(['cn=ann,ou=it,o=company', 'CN=Ann Lee, O=Company, C=US', '2.5.4.3=ann,o=x', 'cn=Lee\\, Ann,o=x', 'lee%2C ann'])(
    'is not what a comma in %s means',
    (line) => expect(identityIn(start().user(line)).account).toBe(decodeURIComponent(line)),
  )
})

describe('nobody', () => {
  it.each([
    'Unauthenticated',
    'unauthenticated',
    'UNAUTHENTICATED',
    ' Unauthenticated ',
    'Unauthenticate%64',
    '',
    '  ',
    '%20%20',
  ])('is what %j says', (line) => {
    expect(reasonOf(start().user(line))).toBe('identity-missing')
    expect(start({ onMissing: 'anonymous' }).user(line)).toEqual({ kind: 'nobody' })
    expect(start({ onMissing: 'login' }).user(line)).toEqual({ kind: 'absent' })
  })
  it('is what a missing header says', () => {
    expect(reasonOf(start().user())).toBe('identity-missing')
    expect(reasonOf(start().recognize({ headers: ['iv-groups', '"admins"'] }))).toBe('identity-missing')
  })
  it('is what a tag value says whose attribute is missing', () => {
    expect(reasonOf(start({ userHeader: 'x-employee' }).recognize({ headers: ['x-employee', 'NOT_FOUND'] }))).toBe(
      'identity-missing',
    )
  })
})

describe('the encoding', () => {
  const read = (encoding: WebsealOptions['encoding'], line: string) => {
    const outcome = start({ encoding }).user(line)
    return outcome.kind === 'identified' ? outcome.identity.account : reasonOf(outcome)
  }
  const latin1 = (text: string) => Buffer.from(text, 'utf8').toString('latin1')

  it.each([
    ['J%C3%BCrgen%20M', 'Jürgen M'],
    ['%2541', '%41'],
    ['100%25', '100%'],
    [latin1('Jürgen'), 'Jürgen'],
    ['a%2Cb', 'a,b'],
  ])('utf8_uri decodes %s once', (line, account) => expect(read('utf8_uri', line)).toBe(account))

  it.each([
    '%',
    '%4',
    '%zz',
    'a%C3',
    '%C0%AF',
    '%ED%A0%80',
    '%FF',
    '\u00e4',
    '%00',
    'a%0D%0Aiv-user: root',
    'a%1Bb',
    '%7F',
    '%C2%85',
    'a\u0000',
  ])('utf8_uri refuses %j', (line) => expect(read('utf8_uri', line)).toBe('bad-request'))
  it('utf8_bin reads bytes and leaves percent signs alone', () => {
    expect(read('utf8_bin', latin1('Jürgen 100%'))).toBe('Jürgen 100%')
    expect(read('utf8_bin', '%41')).toBe('%41')
    expect(read('utf8_bin', '\u00fc')).toBe('bad-request')
  })
  it('lcp_uri reads the local code page', () => {
    expect(read('lcp_uri', 'J%FCrgen')).toBe('Jürgen')
    expect(read('lcp_uri', '%0A')).toBe('bad-request')
  })
})

describe('the list of groups', () => {
  const read = (line: string) => {
    const outcome = start().recognize({ headers: ['iv-user', 'ann', 'iv-groups', line] })
    return outcome.kind === 'identified' ? outcome.identity.groups : reasonOf(outcome)
  }
  it.each([
    ['"grp a","grp b"', ['grp a', 'grp b']],
    ['"grp a" , "grp b"', ['grp a', 'grp b']],
    ['a,b', ['a', 'b']],
    [' a , "b" ', ['a', 'b']],
    ['"one, two","three"', ['one, two', 'three']],
    ['"say "hi" twice"', ['say "hi" twice']],
    ['"a%2Cb%22","%C3%BC"', ['a,b"', 'ü']],
    ['"%2522"', ['%22']],
    ['"DOMAIN\\grp"', ['DOMAIN\\grp']],
    ['"a","a",,"",', ['a']],
    ['', []],
    ['"__proto__"', ['__proto__']],
  ])('%s', (line, groups) => expect(read(line)).toEqual(groups))

  it.each(['"a', '"a","b', '"a"b', '"%"', '"%00"', '"\u00ff"'])('refuses %j', (line) => expect(read(line)).toBe('bad-request'))
})

describe('accountCase: lower', () => {
  const lower = (line: string) => identityIn(start({ accountCase: 'lower' }).user(line))
  it('makes one account of every spelling', () => {
    expect(lower('ANN')).toMatchObject({ account: 'ann', subject: 'ann' })
    expect(lower('%C3%9CMIT').account).toBe('ümit')
  })
  it('never makes an ASCII name out of another letter', () => {
    // KELVIN SIGN
    expect(lower('%E2%84%AAim').account).toBe('\u212aim')
  })
})

describe('the client address', () => {
  const ask = (parts: RequestParts, changes: Partial<WebsealOptions> = {}) => {
    const { provider } = start({ clientAddressHeader: 'IV-Remote-Address', ...changes })
    const request: RequestView = requestOf({ from: '10.1.2.3', ...parts })
    return provider.clientAddressOf?.(request)
  }
  it('is what the trusted source says', () => {
    expect(ask({ headers: ['iv-remote-address', '::ffff:203.0.113.5'] })).toBe('203.0.113.5')
  })
  it('is unknown where the trusted source says nothing usable', () => {
    expect(ask({})).toBeNull()
    expect(ask({ headers: ['iv-remote-address', 'x'] })).toBeNull()
    expect(ask({ headers: ['iv-remote-address', '203.0.113.5', 'iv-remote-address', '203.0.113.6'] })).toBeNull()
  })
  it('is not taken from anybody else', () => {
    const headers = ['iv-remote-address', '203.0.113.5']
    expect(ask({ from: '192.0.2.1', headers })).toBeUndefined()
    expect(ask({ headers }, { sharedSecret: 'secret' })).toBeUndefined()
    expect(start().provider.clientAddressOf?.(requestOf({ from: '10.1.2.3', headers }))).toBeUndefined()
  })
})

it('tells a bad address range at once', () => {
  expect(() => start({ trustedSourceIps: ['10.0.0.0/99'] })).toThrow(TypeError)
})
