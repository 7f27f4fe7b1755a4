// Trusting WebSEAL's headers means trusting a TCP peer. WebSphere's interceptor fell open where iv-user was missing; Envoy took
// every private address for internal (CVE-2024-45806); oauth2-proxy's fix was inert because its trusted list was 0.0.0.0/0
// (CVE-2026-76835); mod_auth_openidc and Pomerium took the first or the last of two headers (CVE-2021-39206).
import { afterEach, describe, expect, it } from 'vitest'
import { type MirrorPortal, namesLike, type Seen, startMirrorPortal, valuesOf } from '../support/mirror-portal.ts'
import { type RunningPostern, startPostern, testKey } from '../support/postern.ts'
import { get, type WireAnswer, wire } from '../support/wire.ts'

let portal: MirrorPortal
let postern: RunningPostern

async function start(webseal: string, server = ''): Promise<void> {
  portal = await startMirrorPortal()
  postern = await startPostern({
    configuration: `
server:
  publicUrl: http://home.localhost
${server}
session: { keys: [${testKey}] }
providers:
  - { name: webseal, protocol: WEBSEAL, ${webseal} }
portals:
  - { name: home, host: home.localhost, upstream: "${portal.url}", providers: [webseal], headers: { iv-user: account, iv-groups: groups, x-ip: client_ip }, routes: [{ path: /public/**, access: public }, { path: /optional/**, access: optional }] }
`,
  })
}
afterEach(async () => {
  await postern.stop()
  await portal.close()
})

const ask = (lines: readonly string[], from = '127.0.0.1', target = '/x'): Promise<WireAnswer> =>
  wire(postern.port, get(target, lines), { from })
const seenOf = (answer: WireAnswer) => JSON.parse(answer.body) as Seen
const userOf = (answer: WireAnswer) => (answer.status === 200 ? valuesOf(seenOf(answer), 'iv-user') : answer.status)

describe('from whom', () => {
  it('the peer on the allowlist is believed, everybody else is nobody', async () => {
    await start('trustedSourceIps: [127.0.0.1]')
    expect(userOf(await ask(['iv-user: anna']))).toEqual(['anna'])
    expect(userOf(await ask(['iv-user: anna'], '127.0.0.2'))).toBe(401)
    expect(userOf(await ask(['iv-user: anna', 'X-Forwarded-For: 127.0.0.1'], '127.0.0.2'))).toBe(401)
    expect(userOf(await ask(['iv-user: anna', 'X-Real-IP: 127.0.0.1', 'Forwarded: for=127.0.0.1'], '127.0.0.2'))).toBe(401)
  })
  it('the IPv4-mapped form of an address is that address', async () => {
    await start('trustedSourceIps: ["::ffff:127.0.0.1"]')
    expect(userOf(await ask(['iv-user: anna']))).toEqual(['anna'])
    expect(userOf(await ask(['iv-user: anna'], '127.0.0.2'))).toBe(401)
  })
  it('an empty allowlist turns the mode off, private addresses included', async () => {
    await start('trustedSourceIps: []')
    expect(userOf(await ask(['iv-user: anna']))).toBe(401)
  })
  it('strict answers a stranger with 403 and an audit line', async () => {
    await start('trustedSourceIps: [127.0.0.1], strict: true')
    expect(userOf(await ask(['iv-user: anna'], '127.0.0.2'))).toBe(403)
    expect(postern.logs.some(({ log }) => log === 'audit')).toBe(true)
  })
  it('behind a trusted proxy the one address in clientIpHeader counts, and only there', async () => {
    await start('trustedSourceIps: [10.1.2.3], clientIpHeader: X-Webseal-Ip', '  trustedProxies: [127.0.0.1]')
    expect(userOf(await ask(['iv-user: anna', 'X-Webseal-Ip: 10.1.2.3']))).toEqual(['anna'])
    expect(userOf(await ask(['iv-user: anna', 'X-Webseal-Ip: ::ffff:10.1.2.3']))).toEqual(['anna'])
    expect(userOf(await ask(['iv-user: anna', 'X-Webseal-Ip: 10.1.2.4']))).toBe(401)
    expect(userOf(await ask(['iv-user: anna', 'X-Webseal-Ip: 10.1.2.3, 10.9.9.9']))).toBe(401)
    expect(userOf(await ask(['iv-user: anna', 'X-Webseal-Ip: 10.1.2.3', 'X-Webseal-Ip: 10.1.2.3']))).toBe(401)
    expect(userOf(await ask(['iv-user: anna', 'X_Webseal_Ip: 10.1.2.3']))).toBe(401)
    expect(userOf(await ask(['iv-user: anna', 'X-Webseal-Ip: 10.1.2.3'], '127.0.0.2'))).toBe(401)
    expect(userOf(await ask(['iv-user: anna']))).toBe(401)
  })
})

describe('with which proof', () => {
  const basic = (password: string) => `Authorization: Basic ${Buffer.from(`webseal:${password}`).toString('base64')}`
  it('the junction password must hold beside the address, and never reaches the portal', async () => {
    await start('trustedSourceIps: [127.0.0.1], sharedSecret: hush-hush-hush')
    const answer = await ask(['iv-user: anna', basic('hush-hush-hush')])
    expect(userOf(answer)).toEqual(['anna'])
    expect(valuesOf(seenOf(answer), 'authorization')).toEqual([])
    expect(userOf(await ask(['iv-user: anna', basic('wr0ng-0ne')]))).toBe(403)
    expect(userOf(await ask(['iv-user: anna']))).toBe(403)
    expect(userOf(await ask(['iv-user: anna', basic('hush-hush-hush')], '127.0.0.2'))).toBe(401)
    expect(valuesOf(seenOf(await ask([basic('hush-hush-hush')], '127.0.0.2', '/public/x')), 'authorization')).toEqual([])
    expect(postern.logs.filter(({ log, msg }) => log === 'audit' && /password/i.test(String(msg))).length).toBeGreaterThan(0)
    expect(postern.logText()).not.toMatch(/hush-hush-hush|wr0ng-0ne/)
  })
  it("somebody's own Basic credential for the portal passes", async () => {
    await start('trustedSourceIps: [127.0.0.1]')
    expect(valuesOf(seenOf(await ask(['iv-user: anna', basic('mine')])), 'authorization')).toEqual([basic('mine').slice(15)])
  })
})

describe('who', () => {
  it.each([
    ['Unauthenticated', 'iv-user: Unauthenticated'],
    ['Unauthenticated in any case', 'iv-user: uNAUTHENTICATED'],
    ['nothing', 'iv-user: '],
    ['blanks', 'iv-user: %20%20'],
    ['no header', 'x-a: b'],
  ])('%s is nobody: 403 where only WebSEAL could say who it is', async (_what, line) => {
    await start('trustedSourceIps: [127.0.0.1]')
    expect(userOf(await ask([line]))).toBe(403)
    expect(userOf(await ask([line], '127.0.0.1', '/public/x'))).toEqual([])
  })
  it('anonymous opens what is optional and nothing else', async () => {
    await start('trustedSourceIps: [127.0.0.1], onMissing: anonymous')
    expect(userOf(await ask(['iv-user: Unauthenticated'], '127.0.0.1', '/optional/x'))).toEqual([])
    expect(userOf(await ask(['iv-user: Unauthenticated']))).toBe(401)
  })
  it('a repeated header is refused, never the first or the last of them taken', async () => {
    await start('trustedSourceIps: [127.0.0.1]')
    for (const lines of [
      ['iv-user: anna', 'iv-user: bert'],
      ['iv-user: anna', 'IV-User: anna'],
      ['iv-user: anna', 'iv-groups: "a"', 'iv-groups: "b"'],
      ['iv-user: anna, bert'],
    ]) {
      expect([lines, userOf(await ask(lines))]).toEqual([lines, 400])
    }
  })
  it('is decoded once, and written again in the same encoding', async () => {
    await start('trustedSourceIps: [127.0.0.1]')
    expect(userOf(await ask(['iv-user: J%C3%BCrgen%20M']))).toEqual(['J%C3%BCrgen%20M'])
    expect(userOf(await ask(['iv-user: a%2541']))).toEqual(['a%2541'])
    for (const bad of ['a%zz', 'a%C3', 'a%00b', 'a%0d%0aiv-groups:%20admins', '%FF'])
      expect([bad, userOf(await ask([`iv-user: ${bad}`]))]).toEqual([bad, 400])
  })
  it('groups come as WebSEAL writes them and leave as WebSEAL writes them', async () => {
    await start('trustedSourceIps: [127.0.0.1]')
    const groups = async (line: string) => valuesOf(seenOf(await ask(['iv-user: anna', `iv-groups: ${line}`])), 'iv-groups')
    expect(await groups('"grp%20a","grp b"')).toEqual(['"grp%20a","grp%20b"'])
    expect(await groups('a,b')).toEqual(['"a","b"'])
    expect(await groups('"a,b","c%22d"')).toEqual(['"a%2Cb","c%22d"'])
  })
  it("an alias from WebSEAL's own address is no identity either", async () => {
    await start('trustedSourceIps: [127.0.0.1]')
    expect(userOf(await ask(['iv_user: admin']))).toBe(403)
    expect(namesLike(seenOf(await ask(['iv-user: anna', 'iv_user: admin'])), 'iv-user')).toEqual(['iv-user'])
  })
})

describe('the address of the client', () => {
  it('is what WebSEAL says, from WebSEAL only', async () => {
    await start('trustedSourceIps: [127.0.0.1], clientAddressHeader: iv-remote-address')
    expect(valuesOf(seenOf(await ask(['iv-user: anna', 'iv-remote-address: 203.0.113.9'])), 'x-ip')).toEqual(['203.0.113.9'])
    expect(valuesOf(seenOf(await ask(['iv-user: anna', 'iv-remote-address: nonsense'])), 'x-ip')).toEqual([])
  })
  it('comes through trusted proxies only, from the right', async () => {
    await start('trustedSourceIps: [127.0.0.1]', '  trustedProxies: [127.0.0.1, 10.0.0.0/8]')
    const ip = async (line: string) => valuesOf(seenOf(await ask(['iv-user: anna', line])), 'x-ip')
    expect(await ip('X-Forwarded-For: 6.6.6.6, 203.0.113.9, 10.0.0.5')).toEqual(['203.0.113.9'])
    expect(await ip('X-Forwarded-For: 203.0.113.9:4711')).toEqual(['203.0.113.9'])
    expect(await ip('X-Forwarded-For: evil, 10.0.0.5')).toEqual([])
    expect(await ip('X-A: b')).toEqual([])
    // a list so long that the proxy's own entry might be cut off
    expect(await ip(`X-Forwarded-For: ${Array(300).fill('10.1.2.3').join(', ')}, 203.0.113.9`)).toEqual(['203.0.113.9'])
    expect(await ip(`X-Forwarded-For: 203.0.113.9, ${Array(300).fill('10.1.2.3').join(', ')}`)).toEqual([])
  })
})
