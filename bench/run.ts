import { writeFileSync } from 'node:fs';
import { cpus, totalmem } from 'node:os';
import { parseArgs } from 'node:util';
import { messageOf } from '../src/errors.ts';
import { buildApp } from './app.ts';
import type { Benchmark, Say, Sizes } from './benchmark.ts';
import { duration } from './duration.ts';
import { history } from './history.ts';
import { idle } from './idle.ts';
import { memory } from './memory.ts';
import { pushes } from './pushes.ts';
import { reaction } from './reaction.ts';
import { isMet, table, type Result } from './table.ts';

/**
 * Measures how fast and how thrifty Serin is, on the local stack, and prints a table: `node bench/run.ts [name…]`.
 * A figure that misses its target is no failure of the command; a benchmark that cannot be carried out is.
 */
const benchmarks: ReadonlyMap<string, Benchmark> = new Map([
  ['reaction', reaction],
  ['idle', idle],
  ['history', history],
  ['duration', duration],
  ['memory', memory],
  ['pushes', pushes],
]);

const usage = `usage: node bench/run.ts [name…] [options]

${[...benchmarks].map(([name, { about }]) => `  ${name.padEnd(10)} ${about}`).join('\n')}

  --json <file>      also write the figures there
  --releases <n>     reaction: releases, one after another (50)
  --canaries <n,n>   idle: Canaries at rest (50,500)
  --idle <s>         idle: time to count requests (60)
  --interval <s>     duration: interval of an analysis (5)
  --in-flight <n>    memory: releases at the same time (200)
  --pushing <s>      pushes: time to push, twice (30)`;

async function main(): Promise<void> {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      help: { type: 'boolean' },
      json: { type: 'string' },
      releases: { type: 'string', default: '50' },
      canaries: { type: 'string', default: '50,500' },
      idle: { type: 'string', default: '60' },
      interval: { type: 'string', default: '5' },
      'in-flight': { type: 'string', default: '200' },
      pushing: { type: 'string', default: '30' },
    },
  });
  if (values.help) return console.log(usage);
  const chosen = positionals.length > 0 ? positionals : [...benchmarks.keys()];
  const unknown = chosen.filter((name) => !benchmarks.has(name));
  if (unknown.length > 0) throw new Error(`unknown benchmark ${unknown.join(', ')}\n\n${usage}`);
  const sizes: Sizes = {
    releases: whole('releases', values.releases),
    canaries: values.canaries.split(',').map((text) => whole('canaries', text)),
    idleSeconds: whole('idle', values.idle),
    intervalSeconds: whole('interval', values.interval),
    inFlight: whole('in-flight', values['in-flight']),
    pushSeconds: whole('pushing', values.pushing),
  };

  const say = progress();
  say('building what is measured');
  buildApp();
  const at = new Date();
  const results: Result[] = [];
  for (const name of chosen) {
    const figures = await benchmarks.get(name)!.run(sizes, (line) => say(`${name}: ${line}`));
    results.push(...figures.map((figure) => ({ benchmark: name, ...figure })));
  }
  const machine = describeMachine();
  const minutes = ((Date.now() - at.getTime()) / 60_000).toFixed(1);
  console.log(`\n${table(results)}\n\n${at.toISOString()}, ${minutes} min, ${machine}`);
  if (values.json) {
    const rated = results.map((result) => ({ ...result, met: isMet(result) }));
    writeFileSync(
      values.json,
      `${JSON.stringify({ at: at.toISOString(), machine, sizes, results: rated }, null, 2)}\n`,
    );
  }
}

function whole(option: string, text: string): number {
  if (/^[1-9]\d*$/.test(text)) return Number(text);
  throw new Error(`--${option} is "${text}", expected a whole number above 0`);
}

/** Lines on standard error, so that the table alone is on standard output. */
function progress(): Say {
  const since = Date.now();
  return (line) => console.error(`${((Date.now() - since) / 1000).toFixed(1).padStart(6)}s  ${line}`);
}

function describeMachine(): string {
  const processors = cpus();
  const model = processors[0]?.model.trim() ?? 'unknown processor';
  const gib = (totalmem() / 1024 ** 3).toFixed(0);
  return `${processors.length} × ${model}, ${gib} GiB, Node ${process.versions.node}, ${process.platform} ${process.arch}`;
}

try {
  await main();
} catch (error) {
  console.error(messageOf(error));
  process.exitCode = 1;
}
