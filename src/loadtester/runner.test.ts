import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, it } from '@jest/globals';
import { createRunner } from './runner.ts';

/** Jobs that end when the test says so. */
function recorder() {
  const started: string[] = [];
  const skipped: string[] = [];
  const ends: (() => void)[] = [];
  const runner = createRunner({ tickMs: 10, onSkipped: ({ key }) => void skipped.push(key) });
  const add = (key: string) =>
    runner.add({
      key,
      run: () => {
        started.push(key);
        return new Promise((resolve) => ends.push(resolve));
      },
    });
  const endAll = () => ends.splice(0).forEach((end) => end());
  return { runner, add, endAll, started, skipped };
}

const aFewTicks = () => sleep(60);

describe('queued jobs', () => {
  it('run once however often they are added while they run, and again after they ended', async () => {
    const { add, endAll, started, skipped } = recorder();
    for (let round = 0; round < 3; round += 1) {
      add('a');
      add('b');
      await aFewTicks();
    }
    expect(started).toEqual(['a', 'b']);
    expect(skipped).toEqual(['a', 'b', 'a', 'b']);
    endAll();
    await aFewTicks();
    expect(started).toHaveLength(2);
    add('a');
    add('b');
    await aFewTicks();
    expect(started).toEqual(['a', 'b', 'a', 'b']);
  });

  it('that are added twice within one tick start once', async () => {
    const { add, started, skipped } = recorder();
    add('a');
    add('a');
    await aFewTicks();
    expect(started).toEqual(['a']);
    expect(skipped).toEqual([]);
  });

  it('that have not started when the runner stops never start', async () => {
    const { runner, add, started } = recorder();
    add('a');
    expect(runner.stop()).toBe(1);
    add('b');
    await aFewTicks();
    expect(started).toEqual([]);
  });
});
