// Which URLs name the portal's inner address, and which only look like it.
import { describe, expect, it } from 'vitest'
import type { Portal } from '../../src/types.ts'
import { outward, readAddress } from '../../src/upstream/portal-address.ts'

const address = (upstream: string, origin = 'https://home.company.com') =>
  readAddress({ upstream: new URL(upstream), origin } as Portal)

describe('an inner address', () => {
  const inner = address('http://app.internal:8081')
  it.each([
    ['http://app.internal:8081/x?y#z', 'https://home.company.com/x?y#z'],
    ['https://app.internal:8081', 'https://home.company.com'],
    ['//APP.internal:8081/', 'https://home.company.com/'],
    ['//app.internal/', 'https://home.company.com/'],
    ['ws://app.internal:8081/ws', 'wss://home.company.com/ws'],
  ])('%s becomes %s', (url, expected) => expect(outward(url, inner, 'home.company.com')).toBe(expected))

  it.each([
    'http://app.internal/x',
    'http://app.internal:80/',
    'http://app.internal:8081.evil.example/',
    'http://app.internal:8081@evil.example/',
    'http://evil.example/http://app.internal:8081/',
    'ftp://app.internal:8081/',
    '/x',
    '',
    'http://',
  ])('%s stays', (url) => expect(outward(url, inner, 'home.company.com')).toBe(url))

  it('knows default ports', () => {
    const plain = address('http://app.internal')
    expect(outward('http://app.internal:80/a', plain, 'h')).toBe('https://home.company.com/a')
    expect(outward('http://app.internal/a', plain, 'h')).toBe('https://home.company.com/a')
    expect(outward('https://app.internal/a', plain, 'h')).toBe('https://app.internal/a')
    expect(address('https://app.internal').innerPort).toBe('443')
  })

  it('reads IPv6, ports and wildcards', () => {
    const six = address('http://[::1]:8081', 'http://*.localhost:8080')
    expect(outward('http://[::1]:8081/a', six, 'b.localhost')).toBe('http://b.localhost:8080/a')
    expect([six.scheme, six.port, six.authority('b.localhost')]).toEqual(['http', '8080', 'b.localhost:8080'])
    expect(address('http://a', 'https://[::1]:8443').authority('x')).toBe('[::1]:8443')
  })
})
