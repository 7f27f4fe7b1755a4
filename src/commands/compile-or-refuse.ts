// A configuration that passed its check and still cannot be put to work: the person's to mend, and said without its text.
import { type CompileContext, type CompiledGeneration, compile } from '../config/compile.ts'
import type { Loaded } from '../config/load.ts'
import { ConfigError, type Problem } from '../errors.ts'
import { ExpressionError } from '../expression/compile.ts'

/** Throws ConfigError where `compile` finds an expression or address that it cannot use. Never quotes the source. */
export function compileOrRefuse(loaded: Loaded, context: CompileContext): CompiledGeneration {
  try {
    return compile(loaded, context)
  } catch (error) {
    if (!(error instanceof ExpressionError) && !(error instanceof TypeError)) throw error
    throw new ConfigError([problemOf(error, loaded)], loaded.files)
  }
}

function problemOf(error: ExpressionError | TypeError, { locate }: Loaded): Problem {
  const what = error instanceof ExpressionError ? 'an expression' : 'a value'
  return {
    severity: 'error',
    ...locate([]),
    key: '',
    message: `${what} in it cannot be used, though the check lets it pass`,
    advice: 'look at what was changed last, and at what comes out of references',
  }
}
