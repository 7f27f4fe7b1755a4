// Patterns of routes against each other: which takes all that another takes, which have anything in common.

/** Certain cases only: whatever the later pattern matches, the earlier does. Wildcards of the later are taken as they stand. */
export function coversPath(earlier: string, later: string): boolean {
  return coversSegments(earlier.split('/').slice(1), later.split('/').slice(1))
}

function coversSegments([head, ...rest]: readonly string[], later: readonly string[]): boolean {
  const [first, ...others] = later
  if (head === undefined) return first === undefined
  if (head === '**') return coversSegments(rest, later) || (first !== undefined && coversSegments([head, ...rest], others))
  return first !== undefined && first !== '**' && coversText(head, first) && coversSegments(rest, others)
}

function coversText(earlier: string, later: string): boolean {
  const parts = earlier.split('*').map((part) => part.replace(/[.+?^${}()|[\]\\]/g, '\\$&'))
  return new RegExp(`^${parts.join('.*')}$`, 's').test(later)
}

/** Some path is matched by both. */
export function meet(a: string, b: string): boolean {
  return segmentsMeet(a.split('/').slice(1), b.split('/').slice(1))
}

function segmentsMeet(a: readonly string[], b: readonly string[]): boolean {
  const [first, ...others] = a
  const [second, ...more] = b
  if (first === '**') return segmentsMeet(others, b) || (second !== undefined && segmentsMeet(a, more))
  if (second === '**') return segmentsMeet(b, a)
  if (first === undefined || second === undefined) return first === second
  return textsMeet(first, second) && segmentsMeet(others, more)
}

function textsMeet(a: string, b: string): boolean {
  if (a.startsWith('*')) return textsMeet(a.slice(1), b) || (b !== '' && textsMeet(a, b.slice(1)))
  if (b.startsWith('*')) return textsMeet(b, a)
  if (a === '' || b === '') return a === b
  return a[0] === b[0] && textsMeet(a.slice(1), b.slice(1))
}
