import { mkdtempSync, readFileSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { startStack, type Stack } from '../../local/stack.ts';
import { createArchive } from '../../src/activities/archive.ts';
import type { AuditRecord } from '../../src/audit/records.ts';
import { openSink, type AuditSink } from '../../src/activities/audit-sink.ts';
import { run as serin } from '../../src/cli/index.ts';
import { failure } from '../../src/errors.ts';
import { historiesOf } from '../../src/temporal.ts';
import { progressQuery } from '../../src/workflows/messages.ts';
import { stubCluster, type StubCluster } from '../support/stub-cluster.ts';
import { openBench, until, type Bench } from '../support/temporal.ts';

let bench: Bench;
let stack: Stack;
const folder = mkdtempSync(join(tmpdir(), 'serin-audit-'));

beforeAll(async () => {
  [bench, stack] = await Promise.all([openBench(), startStack({ parts: ['objects'] })]);
}, 300_000);
afterAll(async () => {
  await Promise.all([bench.close(), stack.stop()]);
  rmSync(folder, { recursive: true, force: true });
});

/** A cluster whose worker keeps what happens in this sink. */
function kept(cluster: StubCluster, sink: AuditSink): StubCluster {
  const archive = createArchive(historiesOf(bench.client), sink, 'eu-1');
  return Object.assign(cluster, {
    activities: {
      ...cluster.activities,
      archive: async (...given: Parameters<typeof archive>) => {
        cluster.calls.push('archive');
        await cluster.before('archive');
        await archive(...given);
      },
    },
  });
}

const archiving = () => Object.assign(stubCluster({ archives: true }), { revision: 'v1:2' });
const parsed = (lines: string) =>
  lines
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as AuditRecord);

/** Releases with an order on the way, and returns the run. */
async function play(cluster: StubCluster): Promise<{ name: string; run: string }> {
  const canary = bench.canary();
  return bench.whileWorking(cluster.activities, async () => {
    const handle = await bench.hint(canary);
    await until('weight 10', async () => (await handle.query(progressQuery)).canaryWeight === 10);
    await handle.signal('pause', { by: 'ada', reason: 'looking', token: 'ada/secret' });
    await until('paused', async () => (await handle.query(progressQuery)).paused);
    await handle.executeUpdate('resume', { args: [{ by: 'bob' }] });
    await handle.result();
    const { runId } = await handle.describe();
    return { name: `prod/${canary.name}`, run: runId };
  });
}

function expectWhole(records: readonly AuditRecord[], name: string, run: string): void {
  expect(new Set(records.map((record) => `${record.canary} ${record.run}`))).toEqual(new Set([`${name} ${run}`]));
  const times = records.map(({ at }) => Date.parse(at));
  expect(times.filter((at) => !(at >= times[0]!))).toEqual([]);
  const kinds = records.map(({ kind }) => kind);
  expect(kinds.slice(0, 3)).toEqual(['started', 'hint', 'looked']);
  expect(records).toEqual(
    expect.arrayContaining([
      expect.objectContaining({
        kind: 'order',
        order: 'pause',
        via: 'signal',
        claimed: 'ada',
        token: true,
        details: { reason: 'looking' },
      }),
      expect.objectContaining({ kind: 'actors', actors: [{ verified: 'ada' }] }),
      expect.objectContaining({ kind: 'order', order: 'resume', via: 'update', claimed: 'bob', token: false }),
      expect.objectContaining({ kind: 'examined', readings: [{ name: 'request-success-rate', value: 100 }] }),
      expect.objectContaining({ kind: 'plan', plan: expect.objectContaining({ verb: 'promote' }) }),
    ]),
  );
  // Every decision after a look that it was made on.
  const decisions = records.filter(({ kind }) => kind === 'plan');
  expect(decisions.length).toBeGreaterThan(6);
  expect(kinds.indexOf('looked')).toBeLessThan(kinds.indexOf('plan'));
  expect(JSON.stringify(records)).not.toContain('ada/secret');
}

describe('what happened in a run', () => {
  it('is kept in files before the run ends, and told by serin history', async () => {
    const { name, run } = await play(kept(archiving(), openSink(`file://${folder}/kept`)));
    const [file, ...more] = readdirSync(join(folder, 'kept/eu-1', name));
    expect([file, more]).toEqual([`${new Date().toISOString().slice(0, 10)}-${run}.jsonl`, []]);
    const records = parsed(readFileSync(join(folder, 'kept/eu-1', name, file!), 'utf8'));
    expectWhole(records, name, run);

    const out: string[] = [];
    const env = { TEMPORAL_ADDRESS: process.env.SERIN_TEST_TEMPORAL };
    await until('the list has it', async () => {
      out.length = 0;
      return (
        (await serin(['history', name, '--audit'], {
          env,
          out: (line) => void out.push(line),
          err: () => undefined,
        })) === 0
      );
    });
    const told = parsed(out.join('\n'));
    expect(told.slice(0, records.length)).toEqual(records);
    expect(told.at(-1)).toMatchObject({ kind: 'ended', outcome: { outcome: 'promoted' } });
  });

  it('is kept in a bucket', async () => {
    const { env, folder: buckets } = stack.objects!;
    const { name, run } = await play(kept(archiving(), openSink('s3://audit/serin/releases', env)));
    const path = join(buckets, 'audit/serin/releases/eu-1', name);
    const [file] = readdirSync(path);
    expectWhole(parsed(readFileSync(join(path, file!), 'utf8')), name, run);
  });

  it('of a run that did nothing is not kept, and that of one that goes on is kept again', async () => {
    const written: string[] = [];
    const sink: AuditSink = { write: (key) => Promise.resolve(void written.push(key)) };
    const idle = Object.assign(kept(stubCluster({ archives: true }), sink), {});
    const canary = bench.canary();
    await bench.whileWorking(idle.activities, async () => {
      expect(await (await bench.hint(canary)).result()).toMatchObject({ outcome: 'unchanged' });
    });
    expect(written).toEqual([]);
    // A newer revision comes while it is kept: nobody waits for that, and in the end both runs are there.
    const busy = kept(archiving(), sink);
    busy.before = async (activity) => {
      if (activity !== 'archive' || busy.revision === 'v1:3') return;
      busy.revision = 'v1:3';
      await bench.hint(canary);
      await new Promise((resolve) => setTimeout(resolve, 5_000));
    };
    await bench.whileWorking(busy.activities, async () => {
      await bench.hint(canary);
      const handle = bench.client.workflow.getHandle(`release/prod/${canary.name}`);
      expect(await handle.result()).toMatchObject({ outcome: 'promoted', revision: 'v1:3' });
    });
    expect(busy.promotions).toEqual(['v1:2', 'v1:3']);
    expect(new Set(written.map((key) => key.slice(-42))).size).toBe(2);
  });

  it('is tried again where it could not be kept', async () => {
    const real = openSink(`file://${folder}/flaky`);
    let tries = 0;
    const flaky: AuditSink = {
      write: async (key, lines) => {
        tries += 1;
        if (tries < 3) throw failure('Unavailable', 'the disk is full');
        await real.write(key, lines);
      },
    };
    const { name } = await play(kept(archiving(), flaky));
    expect(tries).toBe(3);
    expect(readdirSync(join(folder, 'flaky/eu-1', name))).toHaveLength(1);
  });
});

describe('a sink', () => {
  it.each([
    [
      's3://audit',
      { AWS_SECRET_ACCESS_KEY: 'x' },
      'an audit sink in a bucket needs AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY',
    ],
    ['ftp://audit', {}, 'SERIN_AUDIT_SINK is "ftp://audit", expected file:///folder or s3://bucket/prefix'],
    ['audit', {}, 'SERIN_AUDIT_SINK is "audit", expected file:///folder or s3://bucket/prefix'],
  ])('%s is refused at the start: %s', (address, env, message) => {
    expect(() => openSink(address, env)).toThrow(expect.objectContaining({ type: 'InvalidSpec', message }));
  });

  it('says what the store refused, and nothing of the secret', async () => {
    const { env } = stack.objects!;
    const wrong = openSink('s3://audit', { ...env, AWS_SECRET_ACCESS_KEY: 'wrong-secret' });
    await expect(wrong.write('a', 'b')).rejects.toMatchObject({
      type: 'Unauthorized',
      message: expect.stringMatching(/^PUT http.*\/audit\/a answered 403 SignatureDoesNotMatch$/),
    });
    await expect(openSink('s3://nowhere', env).write('a', 'b')).rejects.toMatchObject({
      type: 'Unavailable',
      message: expect.stringContaining('answered 404 NoSuchBucket'),
    });
    const gone = openSink('s3://audit', { ...env, AWS_ENDPOINT_URL: 'http://127.0.0.1:1' });
    await expect(gone.write('a', 'b')).rejects.toMatchObject({ type: 'Unavailable' });
    await expect(openSink(`file://${fileURLToPath(import.meta.url)}/folder`).write('a', 'b')).rejects.toMatchObject({
      type: 'Unavailable',
    });
  });
});
