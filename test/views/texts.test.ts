import { expect, describe as group, it } from 'vitest'
import { describe, reasons } from '../../src/errors.ts'
import { textsFor } from '../../src/views/texts.ts'

const [english, german] = [textsFor('en'), textsFor('de')]

group('the German texts', () => {
  it.each(reasons)('have a title and whole sentences for %s', (reason) => {
    const { title, sentence } = german.describe(reason)
    expect(title).toMatch(/^[A-ZÄÖÜ].*[^.]$/)
    expect(sentence).toMatch(/^[A-ZÄÖÜ].*\.$/)
    expect(sentence).not.toBe(describe(reason).sentence)
  })

  it('have everything the English ones have, in other words', () => {
    expect(Object.keys(german).sort()).toEqual(Object.keys(english).sort())
    for (const [name, text] of Object.entries(english)) expect(german).not.toHaveProperty(name, text)
  })
})

group('the English texts', () => {
  it.each(reasons)("are the catalogue's for %s", (reason) => {
    expect(english.describe(reason)).toEqual(describe(reason))
  })
})
