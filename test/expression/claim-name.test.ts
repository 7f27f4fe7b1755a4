import { describe, expect, it } from 'vitest'
import { isClaimName } from '../../src/expression/claim-name.ts'
import { compileExpression, ExpressionError } from '../../src/expression/compile.ts'

describe('a claim is named by', () => {
  it.each([
    ...['email', 'preferred-username', '_id', 'https://company.com/claims/account?x', 'http://company.com/role'],
    ...['cognito:groups', 'urn:oid:0.9.2342.19200300.100.1.1', 'urn:company:role'],
  ])('%s', (text) => expect(isClaimName(text)).toBe(true))

  it.each(['', 'a.b-c:d', 'a (((', 'a.b', 'a:', ':a', 'a & b', '$x', 'a := b', 'x ? y : z', 'https://company.com/(a)'])(
    'nothing like %j',
    (text) => expect(isClaimName(text)).toBe(false),
  )

  it.each(['cognito:groups', 'urn:oid:2.5.4.3', 'a:b-c', 'https://company.com/a'])('%s, which is no expression', (text) =>
    expect(() => compileExpression(text, 'value')).toThrow(ExpressionError),
  )
})
