// Ways of looking at an address or a name that also accept somebody else's.
import { calledName, isPlainName, type Node, plainPath, unwrapped } from './ast.ts'
import type { Remark } from './lint.ts'

const addresses = new Set(['email', 'mail', 'upn', 'preferred_username', 'account'])

export function matchedLoosely(node: Node): readonly Remark[] {
  const name = calledName(node)
  const [subject, pattern] = node.arguments ?? []
  if (!subject || !pattern || !isAddress(subject)) return []
  if (name === 'split' && pattern.value === '@')
    return [{ node, message: 'a second @ makes another domain of it', advice: domainAdvice }]
  if (name === 'contains' && pattern.type === 'string') {
    return [{ node, message: "it may stand anywhere in the text, also before somebody else's domain", advice: domainAdvice }]
  }
  return pattern.value instanceof RegExp ? looseRegex(pattern, pattern.value) : []
}

/** A blank that is none, a mark of byte order: pasted in, part of a name no fact has. */
export function invisible(node: Node): readonly Remark[] {
  if (node.type !== 'name' || !/[^\P{Z} ]|\p{Cf}/u.test(String(node.value))) return []
  return [
    { node, message: 'a character that cannot be seen is part of this name', advice: 'write the line anew, with plain blanks' },
  ]
}

const domainAdvice = 'write $emailDomain(email) = "company.com"'

function looseRegex(node: Node, { source }: RegExp): readonly Remark[] {
  if (!source.startsWith('^') || !/(?<!\\)\$$/.test(source)) {
    return [
      {
        node,
        message: 'the pattern may match a part of the text',
        advice: 'begin it with ^ and end it with $, or use $emailDomain',
      },
    ]
  }
  if (/(?<!\\)\.(?=[a-z])/i.test(source)) {
    return [{ node, message: 'a dot in a pattern is any character', advice: 'write \\. for a dot' }]
  }
  return []
}

function isAddress(node: Node): boolean {
  const inner = unwrapped(node)
  const last = plainPath(inner)?.at(-1)
  if (last !== undefined) return addresses.has(last)
  const called = calledName(inner)
  if (called === 'lowercase' || called === 'uppercase') return (inner.arguments ?? []).some(isAddress)
  return inner.type === 'path' && (inner.steps ?? []).some((step) => isPlainName(step) && addresses.has(String(step.value)))
}
