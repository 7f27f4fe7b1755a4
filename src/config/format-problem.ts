// One problem as one line, the same for every command.
import type { Problem } from '../errors.ts'

/** `FILE:LINE:COL  KEY  what is wrong  → what to write instead`; a warning says so. */
export function formatProblem({ file, line, column, key, severity, message, advice }: Problem): string {
  const where = key === '' ? '(file)' : key
  return `${file}:${line}:${column}  ${where}  ${severity === 'warning' ? 'warning: ' : ''}${message}  → ${advice}`
}
