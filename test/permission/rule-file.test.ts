import { describe, expect, it } from 'vitest'
import { readCases, readRuleFile } from '../../src/permission/rule-file.ts'

describe('a rule file', () => {
  it.each([
    ['/** message: Only staff. */ true', 'Only staff.'],
    ['\n/* message: Only staff. */\ntrue', 'Only staff.'],
    ['/**\n * message: Only staff,\n * and friends.\n */\ntrue', 'Only staff, and friends.'],
    ['/** Message: Nur für Leute */ true', 'Nur für Leute'],
    ['true', undefined],
    ['/* a comment */ /* message: too late */ true', undefined],
    ['true /* message: not the first thing */', undefined],
    ['/** message: */ true', undefined],
    ['hd = "/* message: no */"', undefined],
  ])('%j has the message %j', (text, message) => {
    expect(readRuleFile(text, 'x').message).toBe(message)
  })

  it('keeps its comments, so that places agree with the file; a byte order mark is left out and counted', () => {
    expect(readRuleFile('/* a */ true', 'x')).toEqual({ name: 'x', source: '/* a */ true', offset: 0 })
    expect(readRuleFile('\ufefftrue', 'x')).toEqual({ name: 'x', source: 'true', offset: 1 })
  })
})

describe('cases', () => {
  it('are read', () => {
    const { cases, problems } = readCases(
      '- { name: a, facts: { hd: x, groups: [b] }, expect: allow }\n- name: b\n  expect: deny\n',
      'r.cases.yaml',
    )
    expect(problems).toEqual([])
    expect(cases).toEqual([
      { name: 'a', facts: { hd: 'x', groups: ['b'] }, expect: 'allow' },
      { name: 'b', facts: {}, expect: 'deny' },
    ])
  })

  it.each([
    ['', 1, 1, '', 'no cases'],
    ['[]', 1, 1, '', 'no cases'],
    ['name: a', 1, 1, '', 'no cases'],
    ['- name: [', 1, 10, '', 'YAML'],
    ['- just a text', 1, 3, '[0]', 'map'],
    ['- { name: a, expect: deny }\n- name: b\n  expect: denied\n', 3, 11, '[1].expect', 'expectation'],
    ['- { expect: deny }', 1, 3, '[0].name', 'name'],
    ['- { name: a, expect: deny, fact: {} }', 1, 28, '[0].fact', 'not known'],
    ['- { name: a, expect: deny, facts: [1] }', 1, 35, '[0].facts', 'map'],
    ['- { name: a }', 1, 3, '[0].expect', 'expectation'],
  ])('%j are complained about at their place', (text, line, column, key, message) => {
    const [problem] = readCases(text, 'r.cases.yaml').problems
    expect(problem).toMatchObject({
      severity: 'error',
      file: 'r.cases.yaml',
      line,
      key,
      message: expect.stringContaining(message),
    })
    expect(problem?.column).toBe(column)
    expect(problem?.advice).not.toBe('')
  })

  it('that are good are kept beside those that are not', () => {
    const { cases, problems } = readCases('- { name: a, expect: allow }\n- { name: b }\n- { name: c, wrong: 1 }\n', 'x')
    expect(cases).toHaveLength(1)
    expect(problems.map(({ line }) => line)).toEqual([2, 3, 3])
  })
})
