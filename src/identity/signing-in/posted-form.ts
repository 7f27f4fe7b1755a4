// A posted form read so that a browser will post the very same again from hidden fields, or not at all: what a person typed
// must not come back changed. Knows the form's encoding (WHATWG URL section 5.1) and nothing of requests.

export type Field = readonly [name: string, value: string]

const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

/**
 * The fields of an `application/x-www-form-urlencoded` body in their order; undefined where the bytes or what they encode is not
 * UTF-8, or where hidden fields could not carry it: a field without a name, control characters, a lone CR or LF.
 */
export function readPostedForm(body: Uint8Array): readonly Field[] | undefined {
  try {
    const fields = decoder
      .decode(body)
      .split('&')
      .filter((pair) => pair !== '')
      .map(readField)
    return fields.every(isCarried) ? fields : undefined
  } catch {
    return undefined // not UTF-8, raw or decoded: URIError, TypeError
  }
}

function readField(pair: string): Field {
  const at = pair.indexOf('=')
  return at < 0 ? [decode(pair), ''] : [decode(pair.slice(0, at)), decode(pair.slice(at + 1))]
}

const decode = (text: string): string => decodeURIComponent(text.replaceAll('+', ' '))

/** A form sends line ends as CR LF, whatever they were. */
const uncarried = /[\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f-\u009f]|\r(?!\n)|(?<!\r)\n/

const isCarried = ([name, value]: Field): boolean => name !== '' && !uncarried.test(name) && !uncarried.test(value)
