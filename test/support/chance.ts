/** Numbers that look random and are the same again for the same seed. */
export interface Chance {
  /** A whole number from `least` to `most`, both included. */
  between(least: number, most: number): number;
  /** The same things in another order. */
  shuffled<T>(things: readonly T[]): T[];
}

/** The seed that `SERIN_TEST_SEED` names, or a new one. A test that uses one says which. */
export function seedOf(env: NodeJS.ProcessEnv = process.env): number {
  const { SERIN_TEST_SEED: named } = env;
  if (!named) return Date.now() % 1_000_000;
  if (/^\d{1,9}$/.test(named)) return Number(named);
  throw new Error(`SERIN_TEST_SEED is "${named}", expected a whole number of at most nine digits`);
}

/** Mulberry32, which is enough for choosing. */
export function chanceOf(seed: number): Chance {
  let state = seed;
  const next = () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
  const between = (least: number, most: number) => least + Math.floor(next() * (most - least + 1));
  return {
    between,
    shuffled(things) {
      const left = [...things];
      return things.map(() => left.splice(between(0, left.length - 1), 1)[0]!);
    },
  };
}
