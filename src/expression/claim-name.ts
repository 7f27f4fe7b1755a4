// What counts as the name of a claim where a configuration takes a name or an expression: one answer for its check and its use.

/** `preferred-username`, `https://company.com/account`, `cognito:groups`, `urn:oid:2.5.4.3`: names that providers use. */
const name = /^(?:[A-Za-z_][\w-]*(?::[\w.-]+)*|https?:\/\/[^\s"'()]+)$/

/** Taken as it stands; any other text is an expression. None of the names with a colon could be one. */
export const isClaimName = (text: string): boolean => name.test(text)
