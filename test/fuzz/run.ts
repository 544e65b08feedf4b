import { parseArgs } from 'node:util';
import { messageOf } from '../../src/errors.ts';
import { fuzzHooks } from './hooks.ts';

/**
 * Sends mutated requests to all receivers: `npm run fuzz -- --requests 1000000 --seed 7`. Exits with 1 when something
 * happened that may not happen: a 5xx other than 503, a crash, an unhandled rejection, a push that is none, a heap that
 * grows.
 */
async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      requests: { type: 'string', default: '1000000' },
      seed: { type: 'string', default: String(Date.now() % 1_000_000) },
    },
  });
  const since = performance.now();
  const report = await fuzzHooks({
    requests: Number(values.requests),
    seed: Number(values.seed),
    progress: (done) => console.error(`${done} requests, ${((performance.now() - since) / 1000).toFixed(0)} s`),
  });
  const [early, late] = report.heap;
  const grown = (late - early) / 1024 ** 2;
  const problems = [...report.problems, ...(grown > 16 ? [`the heap grew by ${grown.toFixed(1)} MiB`] : [])];
  console.log(
    JSON.stringify(
      { seed: values.seed, seconds: (performance.now() - since) / 1000, ...report, grownMiB: grown, problems },
      null,
      2,
    ),
  );
  if (problems.length > 0) process.exitCode = 1;
}

try {
  await main();
} catch (error) {
  console.error(messageOf(error));
  process.exitCode = 1;
}
