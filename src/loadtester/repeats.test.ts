import { describe, expect, it } from '@jest/globals';
import { createRepeats } from './repeats.ts';

describe('a repeated request', () => {
  const counting = () => {
    let runs = 0;
    return { runs: () => runs, run: async () => ({ status: 200, body: `run ${++runs}` }) };
  };

  it('gets the first answer and runs nothing', async () => {
    const repeats = createRepeats();
    const { run, runs } = counting();
    expect(await repeats.once('k', run)).toEqual({ status: 200, body: 'run 1' });
    expect(await repeats.once('k', run)).toEqual({ status: 200, body: 'run 1' });
    expect(await repeats.once('other', run)).toEqual({ status: 200, body: 'run 2' });
    expect(runs()).toBe(2);
  });

  it('that comes before the first answer waits for it', async () => {
    const repeats = createRepeats();
    let end = (_: string) => {};
    const first = repeats.once('k', () => new Promise((resolve) => (end = (body) => resolve({ status: 200, body }))));
    const second = repeats.once('k', () => Promise.reject(new Error('ran twice')));
    end('done');
    expect(await Promise.all([first, second])).toEqual(Array(2).fill({ status: 200, body: 'done' }));
  });

  it('after a failure that was delivered runs again, and before that does not', async () => {
    const repeats = createRepeats();
    let runs = 0;
    const failing = async () => ({ status: 500, body: `failure ${++runs}` });
    expect(await repeats.once('k', failing)).toMatchObject({ status: 500, body: 'failure 1' });
    const lost = await repeats.once('k', failing);
    expect(lost).toMatchObject({ body: 'failure 1' });
    lost.delivered?.();
    expect(await repeats.once('k', failing)).toMatchObject({ body: 'failure 2' });
    lost.delivered?.(); // told twice, of an answer long gone
    expect(await repeats.once('k', failing)).toMatchObject({ body: 'failure 2' });
  });

  it('runs again when the first attempt came to no answer', async () => {
    const repeats = createRepeats();
    await expect(repeats.once('k', () => Promise.reject(new Error('broken')))).rejects.toThrow('broken');
    expect(await repeats.once('k', async () => ({ status: 200, body: '' }))).toEqual({ status: 200, body: '' });
  });

  it.each([{ maxAnswers: 2 }, { maxBytes: 11 }])('is forgotten, oldest first, beyond %p', async (limit) => {
    const repeats = createRepeats(limit);
    const { run } = counting();
    for (const key of ['a', 'b', 'c']) await repeats.once(key, run);
    expect(await repeats.once('c', run)).toMatchObject({ body: 'run 3' });
    expect(await repeats.once('b', run)).toMatchObject({ body: 'run 2' });
    expect(await repeats.once('a', run)).toMatchObject({ body: 'run 4' });
  });
});
