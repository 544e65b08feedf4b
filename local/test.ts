import { spawn } from 'node:child_process';
import { readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** The levels of the test pyramid, cheapest first. `make test LEVELS="domain unit"` runs some of them. */
const levels = ['lint', 'types', 'domain', 'unit', 'provider', 'workflow', 'e2e', 'operate', 'images'] as const;
type Level = (typeof levels)[number];

/** What runs beside each other, each lane in turn: levels that wait leave half of two processors to others. */
type Phase = readonly (readonly Level[])[];

const computing: Phase = [['domain', 'unit'], ['lint']];

/** The workflow level measures time, and has nothing heavy beside it. */
const playing: Phase = [['workflow'], ['provider', 'types']];

/**
 * Releases on clusters: with two stacks of e2e, three stacks from the beginning to the end. What measures how soon something
 * happens needs a machine that is not overloaded.
 */
const releasing = (isQuick: boolean): Phase =>
  isQuick ? [['e2e'], ['operate', 'images']] : [['e2e', 'operate', 'images']];

/** Longest that a quick machine takes for `computing`. The one whose times are in the README takes about a minute. */
const quickMs = 105_000;

interface Count {
  readonly passed: number;
  readonly failed: number;
}

/**
 * The servers of the tests are written in Go. Collecting garbage less often spares them a sixth of their time, for memory;
 * and so does having one thread at a time each, since there are more of them than processors anyway.
 */
process.env.GOGC ??= '400';
process.env.GOMAXPROCS ??= '1';

const root = fileURLToPath(new URL('..', import.meta.url));

async function main(asked: readonly string[]): Promise<void> {
  const unknown = asked.filter((name) => !(levels as readonly string[]).includes(name));
  if (unknown.length > 0) throw new Error(`unknown level ${unknown.join(', ')}; there are ${levels.join(', ')}`);
  const chosen = levels.filter((level) => asked.length === 0 || asked.includes(level));
  const counts: Count[] = [];
  const started = Date.now();
  counts.push(...(await runBeside(computing, chosen)));
  const isQuick = computing.flat().every(among(chosen)) && Date.now() - started < quickMs;
  counts.push(...(await runBeside(playing, chosen)), ...(await runBeside(releasing(isQuick), chosen)));
  const total = (key: keyof Count) => counts.reduce((sum, count) => sum + count[key], 0);
  process.stdout.write(`\n${total('passed')} passed, ${total('failed')} failed\n`);
  process.exitCode = total('failed') > 0 || total('passed') === 0 ? 1 : 0;
}

async function runBeside(phase: Phase, chosen: readonly Level[]): Promise<Count[]> {
  const counts = await Promise.all(phase.map((lane) => runInTurn(lane.filter(among(chosen)))));
  return counts.flat();
}

async function runInTurn(chosen: readonly Level[]): Promise<Count[]> {
  const counts: Count[] = [];
  for (const level of chosen) {
    const started = Date.now();
    process.stdout.write(`\n== ${level}\n`);
    const count = await run(level);
    process.stdout.write(`== ${level}: ${count.passed} passed, ${count.failed} failed, ${seconds(started)} s\n`);
    counts.push(count);
  }
  return counts;
}

async function run(level: Level): Promise<Count> {
  if (level === 'lint' || level === 'types') {
    return (await npm('inherit', 'run', '--silent', level)) === 0 ? { passed: 1, failed: 0 } : { passed: 0, failed: 1 };
  }
  const report = join(tmpdir(), `serin-${level}-${process.pid}.json`);
  const code = await npm(
    'ignore',
    'run',
    '--silent',
    `test:${level}`,
    '--',
    '--json',
    `--outputFile=${report}`,
    '--silent=false',
  );
  const count = await readReport(report);
  // A level that ends badly without a failing test, or runs no test, has failed all the same.
  return code === 0 && count.passed > 0 ? count : { ...count, failed: Math.max(1, count.failed) };
}

async function readReport(path: string): Promise<Count> {
  try {
    const { numPassedTests, numFailedTests, numRuntimeErrorTestSuites } = JSON.parse(await readFile(path, 'utf8')) as {
      numPassedTests: number;
      numFailedTests: number;
      numRuntimeErrorTestSuites: number;
    };
    return { passed: numPassedTests, failed: numFailedTests + numRuntimeErrorTestSuites };
  } catch {
    process.stdout.write(`no report at ${path}: the level did not run\n`);
    return { passed: 0, failed: 1 };
  } finally {
    await rm(path, { force: true });
  }
}

/** Runs npm, which puts the project's own Node first on PATH. Jest prints its JSON on stdout too, where nobody wants it. */
function npm(stdout: 'inherit' | 'ignore', ...args: string[]): Promise<number> {
  return new Promise((resolve, reject) => {
    const child = spawn('npm', args, { cwd: root, stdio: ['ignore', stdout, 'inherit'] });
    child.on('error', reject);
    child.on('close', (code) => resolve(code ?? 1));
  });
}

const among = (chosen: readonly Level[]) => (level: Level) => chosen.includes(level);
const seconds = (since: number) => ((Date.now() - since) / 1000).toFixed(1);

await main(process.argv.slice(2));
