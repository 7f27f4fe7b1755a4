// Calls of ours to other services: where they can go, what they can say, what may be said of them.
import { gzipSync } from 'node:zlib'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { type CallOptions, createOutboundCall } from '../../../src/identity/accounts/outbound-call.ts'
import type { Facts } from '../../../src/types.ts'
import { listenOnLoopback } from '../../support/loopback.ts'
import { type Service, startService } from '../../support/service.ts'

let service: Service
let other: Service
beforeAll(async () => {
  service = await startService()
  other = await startService()
})
beforeEach(() => {
  service.answer = () => ({ body: {} })
})
afterAll(async () => {
  await service.close()
  await other.close()
})

const callOf = (options: Partial<CallOptions> & { path?: string }) => {
  const { path = '/', ...rest } = options
  return createOutboundCall({ url: service.url + path, method: 'GET', headers: {}, ...rest })
}
const patience = () => AbortSignal.timeout(10_000)
async function make(options: Partial<CallOptions> & { path?: string }, facts: Facts = {}, signal = patience()) {
  const call = callOf(options)
  try {
    const answer = await call.send(await call.fill(facts), signal)
    return { answer, asked: service.asked.at(-1)! }
  } finally {
    await call.close()
  }
}

describe('the address', () => {
  it.each([
    ['a/b?c#d&e=f', '/people/a%2Fb%3Fc%23d%26e%3Df'],
    ['ä €', '/people/%C3%A4%20%E2%82%AC'],
    ['@evil.org/', '/people/%40evil.org%2F'],
    ['...', '/people/...'],
    [4711, '/people/4711'],
  ])('percent-encodes %j', async (sub, target) => {
    expect((await make({ path: '/people/{sub}' }, { sub })).asked.target).toBe(target)
  })

  it.each(['.', '..', '', null, undefined, ['a'], { a: 1 }, '\ud800'])(
    'is not made where %j would stand in the path',
    async (sub) => {
      const before = service.asked.length
      await expect(make({ path: '/people/{sub}/groups' }, sub === undefined ? {} : { sub })).rejects.toThrow(/^the url: /)
      expect(service.asked).toHaveLength(before)
    },
  )

  it('is not made where a piece of the path becomes a way up with what stands beside it', async () => {
    await expect(make({ path: '/people/.{sub}/groups' }, { sub: '.' })).rejects.toThrow('. or ..')
    await expect(make({ path: '/people/%2e{sub}/groups' }, { sub: '.' })).rejects.toThrow('. or ..')
  })

  it.each(['../admin', 'a/../../admin', 'a\\..\\admin', './x', '..;/admin', '..;a=b', 'a/..', 'x\r\ny', 'x\0', '\u007f'])(
    'is not made where a server that decodes before it splits would read another path: %j',
    async (sub) => {
      const before = service.asked.length
      await expect(make({ path: '/people/{sub}/groups' }, { sub })).rejects.toThrow(/^the url: /)
      expect(service.asked).toHaveLength(before)
    },
  )

  it.each(['/people\\{sub}/groups', '/people/.\t{sub}/groups', '/people/\n{sub}'])(
    'is not taken where a URL parser would mend it behind our back: %j',
    (path) => {
      expect(() => callOf({ path })).toThrow(TypeError)
    },
  )

  it('takes an empty text in the query', async () => {
    expect((await make({ path: '/people?name={name}&all=1' }, { name: '' })).asked.target).toBe('/people?name=&all=1')
  })

  it.each([
    '{host}/a',
    'https://{host}/a',
    'https://api.company.com{host}',
    'https://api.company.com:{port}/',
    'https://api{host}.com/',
    'https://user@api.company.com/',
    'https://api.company.com\\{host}',
    'ftp://api.company.com/',
    '//api.company.com/{a}',
    'https:///{host}/a',
  ])('is not taken where it does not write out whom it asks: %s', (url) => {
    expect(() => callOf({ url })).toThrow(TypeError)
  })

  it('follows no redirect', async () => {
    service.answer = () => ({ status: 302, headers: { location: `${other.url}/stolen` } })
    const { answer } = await make({ path: '/a', headers: { authorization: 'Bearer s3cret' } })
    expect(answer.status).toBe(302)
    expect(other.asked).toEqual([])
  })
})

describe('headers and body', () => {
  it('fills headers in, letters outside ASCII as UTF-8', async () => {
    const { asked } = await make(
      { headers: { Authorization: 'Bearer {token.access}', 'X-Name': 'Frau {name}' } },
      {
        token: { access: 'abc' },
        name: 'Müller',
      },
    )
    expect(asked.headers['authorization']).toBe('Bearer abc')
    expect(Buffer.from(String(asked.headers['x-name']), 'latin1').toString()).toBe('Frau Müller')
  })

  it.each(['a\r\nx-admin: yes', 'a\nb', 'a\0b', 'a\u007fb'])('sends nothing where a header would hold %j', async (name) => {
    const before = service.asked.length
    const error = await make({ headers: { 'x-name': 'Mr {name}' } }, { name }).catch((thrown: Error) => thrown)
    expect(String(error)).toBe('CallError: the header x-name: it holds control characters')
    expect(service.asked).toHaveLength(before)
  })

  it('never says what a header that was written badly holds', async () => {
    const error = await make({ headers: { 'x-key': 's3cret\nvalue' } }).catch((thrown: Error) => thrown)
    expect(String(error)).not.toContain('s3cret')
  })

  it('sends what the body yields as JSON', async () => {
    const { asked } = await make({ method: 'PUT', body: '{ "id": sub, "in": groups }' }, { sub: 'anna', groups: ['a', 'b'] })
    expect([asked.method, asked.headers['content-type'], asked.body]).toEqual([
      'PUT',
      'application/json',
      '{"id":"anna","in":["a","b"]}',
    ])
  })

  it('sends text as it is, under the type that is written', async () => {
    const { asked } = await make(
      { method: 'POST', headers: { 'Content-Type': 'application/x-www-form-urlencoded' }, body: '"user=" & sub' },
      { sub: 'anna' },
    )
    expect([asked.headers['content-type'], asked.body]).toEqual(['application/x-www-form-urlencoded', 'user=anna'])
  })

  it.each(['{$error(token.access)}', '{$assert(false, "token " & token.access)}', '{$number(token.access)}'])(
    'never says the token where %s fails',
    async (hole) => {
      const error = await make({ headers: { 'x-name': hole } }, { token: { access: 't0ken' } }).catch((thrown: Error) => thrown)
      expect(String(error)).toMatch(/^CallError: the header x-name: /)
      expect(String(error)).not.toContain('t0ken')
    },
  )

  it('is not made where the body yields nothing', async () => {
    await expect(make({ method: 'POST', body: 'nobody' }, {})).rejects.toThrow('the body: its expression yields nothing')
  })
})

describe('the answer', () => {
  it.each([
    ['{"a":1}', { a: 1 }],
    ['plain', 'plain'],
    ['', undefined],
  ])('%j is read as %j', async (body, expected) => {
    service.answer = () => ({ body })
    expect((await make({})).answer).toEqual({ status: 200, body: expected })
  })

  it('is none where it is larger than 1 MiB', async () => {
    service.answer = () => ({ body: 'x'.repeat(1024 * 1024 + 1) })
    await expect(make({})).rejects.toThrow(`${service.url}: no answer, or one over 1 MiB`)
  })

  it('is none where it is small on the way and larger than 1 MiB when it is unpacked', async () => {
    const bomb = gzipSync(Buffer.alloc(64 * 1024 * 1024))
    const server = await listenOnLoopback((_, response) => response.writeHead(200, { 'content-encoding': 'gzip' }).end(bomb))
    await expect(make({ url: `${server.origin}/` })).rejects.toThrow('no answer, or one over 1 MiB')
    await server.close()
  })

  it('is none where it never ends, piece by piece', async () => {
    const server = await listenOnLoopback((_, response) => {
      const timer = setInterval(() => response.write(' '), 5)
      response.on('close', () => clearInterval(timer))
    })
    await expect(make({ url: `${server.origin}/` }, {}, AbortSignal.timeout(100))).rejects.toThrow('no answer in time')
    await server.close()
  })

  it('is none where it does not come in time', async () => {
    service.answer = () => 'nothing'
    await expect(make({}, {}, AbortSignal.timeout(50))).rejects.toThrow(`${service.url}: no answer in time`)
  })

  it('says the place and a code where nobody listens, and nothing that was filled in', async () => {
    const gone = await startService()
    await gone.close()
    const failing = make({ url: `${gone.url}/people/{sub}?key=s3cret` }, { sub: 'anna' })
    await expect(failing).rejects.toThrow(new RegExp(`^${gone.url}: ECONNREFUSED$`))
  })
})
