// The word that was probably meant.

/** Optimal string alignment distance: insert, delete, replace, swap neighbours. */
function distance(a: string, b: string): number {
  const rows = Array.from({ length: a.length + 1 }, (_, i) => [i, ...Array<number>(b.length).fill(0)])
  const at = (i: number, j: number): number => (i === 0 ? j : (rows[i]?.[j] ?? 0))
  for (let i = 1; i <= a.length; i++) {
    for (let j = 1; j <= b.length; j++) {
      const cost = a[i - 1] === b[j - 1] ? 0 : 1
      const swapped = i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]
      const best = Math.min(at(i - 1, j) + 1, at(i, j - 1) + 1, at(i - 1, j - 1) + cost)
      const row = rows[i]
      if (row) row[j] = swapped ? Math.min(best, at(i - 2, j - 2) + 1) : best
    }
  }
  return at(a.length, b.length)
}

const bare = (text: string): string => text.toLowerCase().replace(/[^a-z0-9]/g, '')

/** The nearest of `known`, or undefined where none is near. */
export function nearest(word: string, known: readonly string[]): string | undefined {
  const wanted = bare(word).slice(0, 64)
  const most = Math.max(1, Math.floor(wanted.length / 3))
  const ranked = known.map((one) => ({ one, far: distance(wanted, bare(one)) })).sort((a, b) => a.far - b.far)
  const [best] = ranked
  if (best && best.far <= most) return best.one
  return wanted.length < 3 ? undefined : known.find((one) => bare(one).includes(wanted) || wanted.includes(bare(one)))
}

/** One slip of the finger away from one of `known`, two where the word is long; stricter than `nearest`. */
export function misspelt(word: string, known: readonly string[]): string | undefined {
  const wanted = bare(word).slice(0, 64)
  if (wanted.length < 4) return undefined
  return known.find((one) => distance(wanted, bare(one)) <= (wanted.length < 8 ? 1 : 2))
}
