import { describe, expect, it } from 'vitest'
import { reasons } from '../../src/errors.ts'
import { renderProblem } from '../../src/views/problem.ts'
import { header } from './markup.ts'
import { noProvider, refused, requestId } from './samples.ts'

describe('a problem', () => {
  it('names what happened in the members the contract lists, and no others', () => {
    const problem = renderProblem({ ...refused, signIn: '/_postern/login', challenge: 'Bearer' })
    expect(problem.status).toBe(403)
    expect(JSON.parse(problem.body)).toEqual({
      type: 'urn:postern:problem:rule-refused',
      title: 'No access',
      status: 403,
      detail: refused.message,
      requestId,
      signIn: '/_postern/login',
      provider: 'PLAY',
      rule: 'staff-only',
    })
    expect(problem.headers).toEqual([
      ...['Content-Type', 'application/problem+json'],
      ...['Cache-Control', 'no-store'],
      ...['X-Content-Type-Options', 'nosniff'],
    ])
  })

  it('leaves out what is not known', () => {
    const members = Object.keys(JSON.parse(renderProblem({ status: 404, reason: 'portal-unknown', requestId }).body))
    expect(members).toEqual(['type', 'title', 'status', 'detail', 'requestId'])
  })

  it('carries the challenge of a 401', () => {
    const challenge = 'Bearer realm="home"'
    expect(header(renderProblem({ status: 401, reason: 'sign-in-needed', requestId, challenge }), 'WWW-Authenticate')).toBe(
      challenge,
    )
  })

  it('says when to come back', () => {
    expect(header(renderProblem(noProvider), 'Retry-After')).toBe('8')
  })

  it('offers no sign-in that leads away', () => {
    const problem = renderProblem({ status: 401, reason: 'sign-in-needed', requestId, signIn: '//evil.example' })
    expect(JSON.parse(problem.body)).not.toHaveProperty('signIn')
  })

  it.each(reasons)('%s has a sentence', (reason) => {
    const { detail, type } = JSON.parse(renderProblem({ status: 400, reason, requestId }).body)
    expect(detail).toMatch(/^[A-Z].*\.$/)
    expect(type).toBe(`urn:postern:problem:${reason}`)
  })
})
