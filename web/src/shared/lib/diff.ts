/** Lines that differ between two texts, by their longest common part. Pure. */
export interface DiffLine {
  sign: ' ' | '+' | '-'
  text: string
}

export function diffLines(before: string, after: string): DiffLine[] {
  const a = before.split('\n')
  const b = after.split('\n')
  const common = longest(a, b)
  const at = (i: number, j: number) => common[i]?.[j] ?? 0
  const found: DiffLine[] = []
  let i = 0
  let j = 0
  while (i < a.length || j < b.length) {
    if (i < a.length && j < b.length && a[i] === b[j]) {
      found.push({ sign: ' ', text: a[i] ?? '' })
      i += 1
      j += 1
    } else if (i < a.length && (j >= b.length || at(i + 1, j) >= at(i, j + 1))) {
      found.push({ sign: '-', text: a[i] ?? '' })
      i += 1
    } else {
      found.push({ sign: '+', text: b[j] ?? '' })
      j += 1
    }
  }
  return found
}

/** Length of the longest common part of what follows each pair of lines. */
function longest(a: readonly string[], b: readonly string[]): Uint16Array[] {
  const table = Array.from({ length: a.length + 1 }, () => new Uint16Array(b.length + 1))
  for (let i = a.length - 1; i >= 0; i -= 1) {
    const [row, below] = [table[i], table[i + 1]]
    for (let j = b.length - 1; j >= 0; j -= 1) {
      if (row) row[j] = a[i] === b[j] ? (below?.[j + 1] ?? 0) + 1 : Math.max(below?.[j] ?? 0, row[j + 1] ?? 0)
    }
  }
  return table
}
