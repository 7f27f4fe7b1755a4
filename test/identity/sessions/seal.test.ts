import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { createSealer } from '../../../src/identity/sessions/seal.ts'
import { keyA, keyB } from '../harness.ts'

const sealer = createSealer([keyA])

describe('a sealer', () => {
  it('opens what it sealed', async () => {
    const payload = { text: 'Jürgen', list: [1, null, true], nested: { a: 'b' } }
    expect(await sealer.open(await sealer.seal(payload, 'session'), 'session')).toEqual(payload)
  })

  it('never writes the same text twice (CVE-2021-32791), and nothing readable', async () => {
    const [one, two] = await Promise.all([
      sealer.seal({ account: 'anna' }, 'session'),
      sealer.seal({ account: 'anna' }, 'session'),
    ])
    expect(one).not.toBe(two)
    expect(Buffer.from(one.split('.')[3] ?? '', 'base64url').toString('latin1')).not.toContain('anna')
  })

  it('does not open for another purpose (CVE-2024-47616: a key per purpose)', async () => {
    expect(await sealer.open(await sealer.seal('x', 'state'), 'session')).toBeUndefined()
  })

  it('does not open what was altered in any one character, nor what was cut', async () => {
    const text = await sealer.seal({ account: 'anna' }, 'session')
    const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.'
    await fc.assert(
      fc.asyncProperty(fc.nat(text.length - 1), fc.constantFrom(...alphabet), async (at, character) => {
        const altered = text.slice(0, at) + character + text.slice(at + 1)
        if (altered !== text) expect(await sealer.open(altered, 'session')).toBeUndefined()
        expect(await sealer.open(text.slice(0, at), 'session')).toBeUndefined()
      }),
      { numRuns: 300 },
    )
  })

  it('does not open the same message in another spelling of its last character', async () => {
    const text = await sealer.seal('x', 'session')
    const spellings = [...'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_'].map(
      (last) => text.slice(0, -1) + last,
    )
    const opened = await Promise.all(spellings.map((spelling) => sealer.open(spelling, 'session')))
    expect(opened.filter((payload) => payload !== undefined)).toEqual(['x'])
  })

  it('does not spend time on what is longer than any cookies of ours, even if it sealed it', async () => {
    expect(await sealer.open(await sealer.seal('x'.repeat(13_000), 'session'), 'session')).toBeUndefined()
    expect(await sealer.open(await sealer.seal('x'.repeat(12_000), 'session'), 'session')).toHaveLength(12_000)
  })

  it('opens nothing that is not ours, and never throws', async () => {
    const foreign = [
      '',
      '.',
      '....',
      'a.b.c.d.e',
      'eyJhbGciOiJub25lIn0.e30.',
      'x'.repeat(100_000),
      'eyJhbGciOiJkaXIiLCJlbmMiOiJBMjU2R0NNIn0....',
      '☃',
    ]
    for (const text of foreign) expect(await sealer.open(text, 'session')).toBeUndefined()
    await fc.assert(
      fc.asyncProperty(fc.string(), async (text) => {
        expect(await sealer.open(text, 'session')).toBeUndefined()
      }),
    )
  })
})

describe('keys', () => {
  it('rotate: the first seals, all open', async () => {
    const before = await createSealer([keyA]).seal('old', 'session')
    const rotated = createSealer([keyB, keyA])
    expect(await rotated.open(before, 'session')).toBe('old')
    const after = await rotated.seal('new', 'session')
    expect(await createSealer([keyB]).open(after, 'session')).toBe('new')
    expect(await createSealer([keyA]).open(after, 'session')).toBeUndefined()
  })

  it('that left open nothing any more', async () => {
    expect(await createSealer([keyB]).open(await sealer.seal('x', 'session'), 'session')).toBeUndefined()
  })

  it('must be 32 bytes of base64url, and there must be one', () => {
    for (const keys of [[], [''], ['short'], [Buffer.alloc(31).toString('base64url')], [`${keyA}=`], [keyA, 'no key']]) {
      expect(() => createSealer(keys)).toThrow(TypeError)
    }
  })

  it('that are wrong are not shown in the error', () => {
    expect(() => createSealer(['my-secret-but-short'])).toThrow(
      expect.objectContaining({ message: expect.not.stringContaining('my-secret') }),
    )
  })
})

describe('a code for a text', () => {
  it('is the same from everybody with the key, another for each text, purpose and key, and none that a seal is made with', () => {
    const of = (keys: readonly string[], text = 'text', purpose = 'purpose') => createSealer(keys).macs(text, purpose)
    expect(of([keyA])).toEqual(of([keyA]))
    expect(of([keyB, keyA])).toEqual([...of([keyB]), ...of([keyA])])
    const all = [of([keyA]), of([keyB]), of([keyA], 'other'), of([keyA], 'text', 'other')].map(([mac]) => mac)
    expect(new Set(all).size).toBe(4)
    for (const mac of all) expect(mac).toMatch(/^[\w-]{43}$/)
  })
})

it('a text longer than any cookie is opened only where somebody asks for so much', async () => {
  const long = await sealer.seal('x'.repeat(20_000), 'session')
  expect(await sealer.open(long, 'session')).toBeUndefined()
  expect(await sealer.open(long, 'session', 50_000)).toBe('x'.repeat(20_000))
  expect(await sealer.open(long, 'session', 20_000)).toBeUndefined()
})
