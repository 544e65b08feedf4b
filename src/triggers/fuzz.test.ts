import { expect, it } from '@jest/globals';
import { fuzzHooks } from '../../test/fuzz/hooks.ts';
import { seedOf } from '../../test/support/chance.ts';

const seed = seedOf();

it(`answers whatever it is sent, and lets nothing out that is no push (SERIN_TEST_SEED=${seed})`, async () => {
  const { problems, statuses, pushes, requests, heap } = await fuzzHooks({ requests: 12_000, seed });
  expect(problems).toEqual([]);
  expect(requests).toBeGreaterThanOrEqual(12_000);
  // What is in use after a collection: a request that left a kilobyte behind would make it ten MiB more.
  expect((heap[1] - heap[0]) / 1024 ** 2).toBeLessThan(8);
  // What is sent reaches all that there is: the parsers as well as those who refuse before them.
  expect(pushes).toBeGreaterThan(500);
  for (const status of ['200', '202', '400', '401', '404', '405', '415', '503'])
    expect(statuses[status]).toBeGreaterThan(0);
}, 60_000);
