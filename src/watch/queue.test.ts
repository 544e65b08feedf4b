import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import type { CanaryRef } from '../activities/contract.ts';
import { createLog } from '../log.ts';
import type { Hint } from '../workflows/messages.ts';
import { createHintQueue, type HintQueue } from './queue.ts';

let life: AbortController;
let running: Promise<void>;
let accepted: string[];

beforeEach(() => {
  life = new AbortController();
  accepted = [];
});

afterEach(async () => {
  life.abort();
  await running;
});

const ref = (name: string): CanaryRef => ({ namespace: 'shop', name });
const hint = (eventId: string): Hint => ({ source: 'watch/deployment', eventId });

function start(send: (canary: CanaryRef, hint: Hint) => Promise<void>, options: object = {}): HintQueue {
  const queue = createHintQueue({
    send: async (canary, sent) => {
      await send(canary, sent);
      accepted.push(`${canary.name} ${sent.eventId}`);
    },
    log: createLog('error', () => undefined),
    perSecond: 10_000,
    minBackoffMs: 5,
    maxBackoffMs: 20,
    ...options,
  });
  running = queue.run(life.signal);
  return queue;
}

describe('hints on their way to Temporal', () => {
  it('reach it once each', async () => {
    const queue = start(() => Promise.resolve());
    queue.push(ref('a'), hint('1'));
    queue.push(ref('b'), hint('2'));
    await queue.drained(1_000);
    expect(accepted).toEqual(['a 1', 'b 2']);
  });

  it('a newer one takes the place of one that waits', async () => {
    let open: () => void = () => undefined;
    const gate = new Promise<void>((resolve) => (open = resolve));
    const queue = start(() => gate, { concurrency: 1 });
    for (const id of ['1', '2', '3']) queue.push(ref('a'), hint(id));
    await new Promise((done) => setTimeout(done, 10));
    for (const id of ['4', '5']) queue.push(ref('a'), hint(id));
    open();
    await queue.drained(1_000);
    expect(accepted).toEqual(['a 3', 'a 5']);
  });

  it('of one Canary never travel side by side, so the last one sent is the newest', async () => {
    let travelling = 0;
    let most = 0;
    const queue = start(async () => {
      most = Math.max(most, ++travelling);
      await new Promise((done) => setTimeout(done, 3));
      travelling -= 1;
    });
    for (let id = 1; id <= 30; id++) {
      queue.push(ref('a'), hint(String(id).padStart(2, '0')));
      await new Promise((done) => setTimeout(done, 1));
    }
    await queue.drained(1_000);
    expect(most).toBe(1);
    expect(accepted.at(-1)).toBe('a 30');
    expect(accepted).toEqual([...accepted].sort());
  });

  it('none is lost while Temporal is down', async () => {
    let down = true;
    const queue = start(() => (down ? Promise.reject(new Error('UNAVAILABLE')) : Promise.resolve()));
    for (const name of ['a', 'b', 'c']) queue.push(ref(name), hint('1'));
    await new Promise((done) => setTimeout(done, 60));
    queue.push(ref('b'), hint('2'));
    expect([accepted, queue.waiting]).toEqual([[], 3]);
    down = false;
    await queue.drained(1_000);
    expect(accepted.sort()).toEqual(['a 1', 'b 2', 'c 1']);
  });

  it('one that Temporal refuses does not hold up the others', async () => {
    const queue = start(({ name }) => (name === 'bad' ? Promise.reject(new Error('refused')) : Promise.resolve()));
    queue.push(ref('bad'), hint('1'));
    for (const name of ['a', 'b']) queue.push(ref(name), hint('1'));
    await new Promise((done) => setTimeout(done, 50));
    expect(accepted).toEqual(['a 1', 'b 1']);
    expect(queue.waiting).toBe(1);
  });

  it('keep to the rate', async () => {
    const queue = start(() => Promise.resolve(), { perSecond: 100 });
    for (let number = 0; number < 1000; number++) queue.push(ref(`c${number}`), hint('1'));
    await new Promise((done) => setTimeout(done, 300));
    expect(accepted.length).toBeGreaterThan(10);
    expect(accepted.length).toBeLessThan(60);
  });
});
