// Names of providers as they are looked up from elsewhere in the configuration.
import { nearest } from '../did-you-mean.ts'
import type { Path } from '../positions.ts'
import type { Reading } from '../reading.ts'
import type { Config } from '../schema.ts'

/** Names that could not be read may be the very ones that are looked for. */
export const namesAreUnsure = ({ problems }: Reading, { providers }: Config): boolean =>
  problems.isSettled(['providers']) || providers.some((_, index) => problems.isSettled(['providers', index, 'name']))

/** What may have been meant. */
export function suggestion(path: Path, name: string, { providers }: Config, reading: Reading): string {
  const printable = providers.filter((_, index) => !reading.isFromReference(['providers', index, 'name'])).map((one) => one.name)
  const meant = reading.isFromReference(path) ? undefined : nearest(name, printable)
  if (meant) return `did you mean ${meant}?`
  return printable.length === 0 ? 'add it to providers' : `write one of ${printable.join(', ')}`
}
