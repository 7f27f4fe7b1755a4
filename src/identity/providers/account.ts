// What an account may be, whoever asserts it. Two spellings that a portal would take for one person must not be two people here,
// and one spelling must never come out of another person's name.

/** C0, DEL, C1 and the line separators: no account holds one, and a header or a log line could be cut by it. */
export const holdsControls = (text: string): boolean =>
  /[\u0000-\u001f\u007f-\u009f\u2028\u2029]/.test(text) || !text.isWellFormed()

/**
 * `lower` folds to lower case, except letters outside ASCII whose lower case is ASCII (KELVIN SIGN, I WITH DOT ABOVE):
 * `\u212aim@x` must not become `kim@x`.
 */
export function foldAccount(text: string, accountCase: 'keep' | 'lower'): string {
  if (accountCase === 'keep') return text
  return text.replace(/\p{Lu}/gu, (letter) => {
    const lower = letter.toLowerCase()
    return letter > '\u007f' && lower.charCodeAt(0) < 0x80 ? letter : lower
  })
}

/** Text of others for our log: printable ASCII, at most `most` characters. */
export const logSafe = (text: string, most: number): string => text.replace(/[^\u0020-\u007e]/g, '?').slice(0, most)
