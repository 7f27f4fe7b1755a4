// A board whose failures are counted: a Redis that is full takes no new word, and nothing else would tell.
import type { Board } from '../board.ts'

export function observeBoard(board: Board, onError: (operation: string) => void): Board {
  const counted = <A extends readonly unknown[], T>(call: (...of: A) => Promise<T>) => {
    return (...of: A): Promise<T> =>
      call(...of).catch((error: unknown) => {
        onError('board')
        throw error
      })
  }
  return {
    once: counted(board.once),
    put: counted(board.put),
    get: counted(board.get),
    take: counted(board.take),
    lease: counted(board.lease),
  }
}
