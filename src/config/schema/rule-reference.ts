// How a rule is named where it is used: by the name of its file, or written on the spot.
import { z } from 'zod'
import { block, name, text } from './values.ts'

const ruleCase = z.strictObject({
  name: text.describe('What the case shows.'),
  facts: z.record(z.string(), z.json()).prefault({}).describe('Claims and reserved names.'),
  expect: z.enum(['allow', 'deny']).describe('What the rule must say.'),
})

export const inlineRule = z.strictObject({
  name: name.describe('For logs and the refusal page.'),
  when: block.describe('JSONata; must be exactly `true` to let in.'),
  message: z.exactOptional(text).describe('What a refused person reads.'),
  cases: z.exactOptional(z.array(ruleCase)).describe('Checked at every load.'),
})

export const ruleList = z
  .array(z.union([name, inlineRule], { error: 'is no rule → write the name of a file in rulesDir, or {name, when, message}' }), {
    error: 'must be a list of rules → write [company-domain]',
  })
  .prefault([])
