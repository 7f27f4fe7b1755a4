import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { PosternError } from '../../src/errors.ts'
import { ExpressionError } from '../../src/expression/compile.ts'
import { encodeList } from '../../src/rewrite/encode.ts'
import { compileHeaderPlan, type HeaderConfig } from '../../src/rewrite/plan-headers.ts'
import type { Facts, Json } from '../../src/types.ts'

const write = async (config: HeaderConfig, x: Json | undefined, name = 'x-header') => {
  const plan = await compileHeaderPlan({ [name]: config }, 'utf8_uri').plan(x === undefined ? {} : { x })
  return plan.length === 0 ? undefined : plan[1]
}
const refusal = async (config: HeaderConfig, x: Json): Promise<PosternError> => {
  const error = await write(config, x).then(
    (text) => new Error(`it was written: ${text}`),
    (reason: unknown) => reason,
  )
  if (error instanceof PosternError) return error
  throw error
}
const bin = { value: 'x', encoding: 'utf8_bin' } as const
const bytes = (text: string) => Buffer.from(text).toString('latin1')

describe('a header', () => {
  it('is written as it is configured, in order', async () => {
    const headers = compileHeaderPlan(
      { 'IV-User': 'account', 'iv-groups': 'groups', 'x-none': 'missing', X_Mail: { value: 'claims.email' } },
      'utf8_uri',
    )
    expect(headers.names).toEqual(['IV-User', 'iv-groups', 'x-none', 'X_Mail'])
    expect(await headers.plan({ account: 'ann', groups: ['a', 'b'], claims: { email: 'ann@company.com' } })).toEqual([
      'IV-User',
      'ann',
      'iv-groups',
      '"a","b"',
      'X_Mail',
      'ann@company.com',
    ])
    expect([...headers.reads.facts].sort()).toEqual(['account', 'claims', 'groups', 'missing'])
  })

  it.each([null, undefined, '', [], [null, '']] as const)('is left out for %j', async (x) => {
    expect(await write('x', x as Json)).toBeUndefined()
    expect(await write('x', x as Json, 'iv-groups')).toBeUndefined()
    expect(await write(bin, x as Json)).toBeUndefined()
  })

  it.each([
    [1, '1'],
    [0, '0'],
    [-1.5, '-1.5'],
    [true, 'true'],
    [false, 'false'],
    [[1, true, 'a'], '1,true,a'],
  ] as const)('writes %j as %s', async (x, text) => {
    expect(await write('x', x)).toBe(text)
  })
})

describe('utf8_uri', () => {
  it.each([
    ['ann', 'ann'],
    ['Jörg Müller', 'J%C3%B6rg%20M%C3%BCller'],
    ['100%', '100%25'],
    ['%41', '%2541'],
    ['a\r\niv-user: root', 'a%0D%0Aiv-user:%20root'],
    ['\u0000', '%00'],
    ['\u007f~!', '%7F~!'],
    ['😀', '%F0%9F%98%80'],
    ['cn=ann,o="x y"', 'cn=ann,o="x%20y"'],
    [' ', '%20'],
  ])('writes %j as %s', async (x, text) => {
    expect(await write('x', x)).toBe(text)
  })

  it('is undone by one decoding, whatever the text', async () => {
    await fc.assert(
      fc.asyncProperty(fc.string({ unit: 'binary', minLength: 1, maxLength: 200 }), async (x) => {
        const text = (await write('x', x)) ?? ''
        expect(text).toMatch(/^[\x21-\x7e]+$/)
        expect(decodeURIComponent(text)).toBe(x)
      }),
    )
  })
})

describe('utf8_bin', () => {
  it('writes the bytes of UTF-8, and keeps what is ASCII', async () => {
    expect(await write(bin, 'Jörg 100%')).toBe(bytes('Jörg 100%'))
    expect(await write(bin, 'a\tb')).toBe('a\tb')
  })

  it.each(['a\r\nb', 'a\nb', 'a\rb', 'a\u0000b', '\u007f', '\u0001', ' ann', 'ann ', '\tann'])('refuses %j', async (x) => {
    expect((await refusal(bin, x)).reason).toBe('header-failed')
  })

  it('holds nothing that HTTP or undici would refuse', async () => {
    await fc.assert(
      fc.asyncProperty(fc.string({ unit: 'binary', maxLength: 100 }), async (x) => {
        const text = await write(bin, x).catch(() => '')
        expect(text ?? '').toMatch(/^[\t\x20-\x7e\x80-\xff]*$/)
      }),
    )
  })
})

describe('a list', () => {
  it.each([
    ['comma', ['a', 'b c', 'd,e'], 'a,b%20c,d%2Ce'],
    ['quoted', ['a', 'b c', 'd,e', 'f"g'], '"a","b%20c","d%2Ce","f%22g"'],
    ['space', ['a', 'b c', 'd,e'], 'a b%20c d,e'],
    ['json', ['a', 'b c', 'f"g'], '["a","b%20c","f\\"g"]'],
    ['json', [{ a: 1 }, null], '[{"a":1},null]'],
    ['comma', 'only', 'only'],
    ['comma', 'o,nly', 'o%2Cnly'],
    ['quoted', 'only', '"only"'],
    ['json', 'only', '["only"]'],
    ['quoted', ['a', '', null, 'b'], '"a","b"'],
  ] as const)('%s of %j is %s', async (list, x, text) => {
    expect(await write({ value: 'x', list }, x)).toBe(text)
  })

  it('is quoted for iv-groups in any spelling, with one group too, unless it says otherwise', async () => {
    for (const name of ['iv-groups', 'IV_Groups']) expect(await write('x', ['a', 'b'], name)).toBe('"a","b"')
    expect(await write('x', 'a', 'iv-groups')).toBe('"a"')
    expect(await write({ value: 'x', list: 'comma' }, ['a', 'b'], 'iv-groups')).toBe('a,b')
    expect(await write('x', ['a', 'b'])).toBe('a,b')
    expect(await write('x', 'a,b')).toBe('a,b')
  })

  it.each([
    ['comma', ['ä b', 'c,d'], bytes('ä b,c%2Cd')],
    ['quoted', ['ä b', 'c,"d'], bytes('"ä b","c%2C%22d"')],
    ['space', ['ä b', 'c'], bytes('ä%20b c')],
    ['comma', [' admins', 'a '], '%20admins,a%20'],
  ] as const)('in utf8_bin, %s of %j, keeps its separators apart', async (list, x, text) => {
    expect(await write({ ...bin, list }, x)).toBe(text)
  })

  it('has as many entries as there are groups, whatever their names', () => {
    const separator = { comma: ',', quoted: ',', space: ' ' } as const
    fc.assert(
      fc.property(
        fc.array(fc.string({ unit: fc.constantFrom(',', '"', ' ', '%', 'a', 'ä', '\t', '2C'), minLength: 1 }), { minLength: 1 }),
        fc.constantFrom('comma', 'quoted', 'space'),
        fc.constantFrom('utf8_uri', 'utf8_bin'),
        (groups, style, encoding) => {
          let text = ''
          try {
            text = encodeList(groups, style, encoding)
          } catch (error) {
            expect(encoding).toBe('utf8_bin')
            expect(error).toBeInstanceOf(TypeError)
            return
          }
          expect(text.split(separator[style])).toHaveLength(groups.length)
        },
      ),
    )
  })
})

describe('what cannot be written refuses the request', () => {
  it.each([[{ a: 1 }], [[{ a: 1 }]], [[['a']]], ['x'.repeat(8193)], ['ä'.repeat(1366)], ['\ud800']] as const)('%j', async (x) => {
    const error = await refusal('x', x as Json)
    expect(error.reason).toBe('header-failed')
    expect(error.detail).toMatch(/^x-header: /)
  })

  it('writes what just fits', async () => {
    expect(await write('x', 'x'.repeat(8192))).toHaveLength(8192)
  })

  it('also where the expression fails, without showing the value', async () => {
    for (const source of ['$number(x)', 'x and true', '$uppercase', '$error("no")']) {
      const error = await refusal(source, 'secret')
      expect(error.reason).toBe('header-failed')
      expect(error.detail).not.toContain('secret')
    }
  })

  it('even where other headers could be', async () => {
    const { plan } = compileHeaderPlan({ 'iv-user': 'account', 'x-odd': 'claims' }, 'utf8_uri')
    const facts: Facts = { account: 'ann', claims: { a: 1 } }
    await expect(plan(facts)).rejects.toBeInstanceOf(PosternError)
  })
})

it('names the header whose expression cannot be compiled', () => {
  try {
    compileHeaderPlan({ 'iv-user': 'account', 'x-mail': 'email = = 1' }, 'utf8_uri')
    expect.unreachable()
  } catch (error) {
    expect(error).toBeInstanceOf(ExpressionError)
    expect(error).toMatchObject({ subject: 'x-mail', offset: 8 })
  }
})
