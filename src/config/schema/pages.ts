// The `pages` section: how Postern's own pages present themselves.
import { z } from 'zod'
import { text } from './values.ts'

export const pagesSchema = z.strictObject({
  title: text.prefault('Postern').describe('Heading of the browser window.'),
  logo: z
    .exactOptional(
      text.regex(/^(https:\/\/|\/(?![/\\])|data:image\/)/, 'is no picture address → write an https URL, a path, or data:image/…'),
    )
    .describe('https URL, path, or `data:` URL of a picture.'),
  contact: z.exactOptional(text).describe('Mail address, URL or sentence shown where something went wrong.'),
  language: text
    .regex(/^[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8})*$/, 'is no language → write en or de')
    .prefault('en')
    .describe('Language of the pages: `en`, `de`.'),
})
