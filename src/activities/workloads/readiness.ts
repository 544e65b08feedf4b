/** Flagger computes in single precision and cuts off, so 29 % of 100 pods are 28 or 29 as float32 has it. */
export function neededPods(updated: number, percent: number): number {
  return Math.trunc(Math.fround(updated * Math.fround(percent / 100)));
}
