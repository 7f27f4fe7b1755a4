// The types of values, in words a rule's author knows.

export const isFunctionMark = (value: object): boolean => '_jsonata_lambda' in value || '_jsonata_function' in value

export function kindOf(value: unknown): string {
  if (value === undefined) return 'missing fact'
  if (value === null) return 'null'
  if (Array.isArray(value)) return 'list'
  if (typeof value === 'string') return 'text'
  if (typeof value === 'number') return Number.isFinite(value) ? 'number' : 'number without a value'
  if (typeof value === 'function' || (typeof value === 'object' && isFunctionMark(value))) return 'function'
  return typeof value
}
