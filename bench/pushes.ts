import { Agent, fetch } from 'undici';
import { setTimeout as sleep } from 'node:timers/promises';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { planPushRoute } from '../local/serin.ts';
import { sourceId } from '../src/triggers/push.ts';
import { percentile, type Benchmark, type Figure, type Say } from './benchmark.ts';
import { inLab, type Lab, type LabOptions } from './lab.ts';

/** How many pushes one starter takes, how long they wait for an answer, and whether any is lost when Temporal is away. */
export const pushes: Benchmark = {
  about: 'pushes a second taken by one starter, sustained, in a burst, and with Temporal killed in between',
  run: async ({ pushSeconds }, say) => {
    const route = await planPushRoute();
    const receivers = { bench: { type: 'generic', auth: { scheme: 'bearer' }, perSecond: 10_000 } };
    const options: LabOptions = {
      ...{ parts: ['cluster', 'temporal'], readyDelayMs: 0, route, receivers, only: ['starter'] },
      env: { SERIN_CALLS_PER_CALLER: '10000' },
    };
    return inLab(options, say, async (lab) => {
      const sender = openSender(lab);
      await sender.warmUp();
      const figures = [
        ...(await sustained(sender, pushSeconds, say)),
        ...(await burst(sender, say)),
        ...(await acrossOutage(sender, lab, pushSeconds, say)),
      ];
      const { missing, doubled } = await missingFrom(lab, sender.taken, say);
      await sender.close();
      return [
        ...figures,
        { name: `of ${sender.taken.size} acknowledged, not in Temporal`, value: missing, unit: '', atMost: 0 },
        { name: 'in Temporal more than once', value: doubled, unit: '', atMost: 0 },
      ];
    });
  },
};

interface Sender {
  /** Ids of the workflows of pushes that were acknowledged. */
  readonly taken: Set<string>;
  /** Sends the next push once, and says how it was answered and after how long. */
  push(id: string): Promise<{ readonly status: number; readonly ms: number }>;
  warmUp(): Promise<void>;
  close(): Promise<void>;
}

let count = 0;
const nextId = () => `push-${(count += 1)}`;

function openSender({ stack, serin }: Lab): Sender {
  const token = readFileSync(join(stack.directory, 'serin', 'tokens'), 'utf8').trim();
  const [{ host }] = JSON.parse(readFileSync(join(stack.directory, 'serin', 'receivers.json'), 'utf8')) as [
    { host: string },
  ];
  const dispatcher = new Agent({ connections: 256, pipelining: 1 });
  const taken = new Set<string>();
  const push: Sender['push'] = async (id) => {
    const image = `${host}/bench/app:1.0.${id.slice(5)}`;
    const since = performance.now();
    const response = await fetch(`${serin.hooks}/hooks/v1/bench`, {
      method: 'POST',
      headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
      body: JSON.stringify({ image, id }),
      dispatcher,
    });
    await response.arrayBuffer();
    if (response.status === 202) taken.add(`img/bench/${sourceId(id, image).eventId.slice(0, 32)}`);
    return { status: response.status, ms: performance.now() - since };
  };
  return {
    taken,
    push,
    warmUp: async () => {
      for (let n = 0; n < 100; n += 1) await push(nextId());
    },
    close: () => dispatcher.close(),
  };
}

/** As fast as sixteen senders get their answers. */
async function sustained({ push }: Sender, seconds: number, say: Say): Promise<Figure[]> {
  say(`pushing for ${seconds} s over sixteen connections`);
  const times: number[] = [];
  let refused = 0;
  const since = performance.now();
  const until = since + seconds * 1_000;
  const lane = async () => {
    while (performance.now() < until) {
      const { status, ms } = await push(nextId());
      if (status === 202) times.push(ms);
      else refused += 1;
    }
  };
  await Promise.all(Array.from({ length: 16 }, lane));
  const perSecond = times.length / ((performance.now() - since) / 1_000);
  return [
    { name: 'sustained, taken a second', value: Math.round(perSecond), unit: '' },
    ...latency('sustained', times, 2_000),
    { name: 'sustained, refused', value: refused, unit: '', atMost: 0 },
  ];
}

/**
 * Two hundred at the same moment, five times. What Temporal does not take in time is refused, and comes again a second
 * later: what counts is that every answer is there in time, whichever it is.
 */
async function burst({ push }: Sender, say: Say): Promise<Figure[]> {
  say('five bursts of 200');
  const answers: Answered[] = [];
  let wall = 0;
  for (let round = 0; round < 5; round += 1) {
    const since = performance.now();
    const delivered = await Promise.all(Array.from({ length: 200 }, () => deliver(push, nextId())));
    wall += performance.now() - since;
    answers.push(...delivered.flat());
    await sleep(500);
  }
  const refused = answers.filter(({ status }) => status !== 202).length;
  const times = answers.map(({ ms }) => ms);
  return [
    { name: 'bursts of 200, taken a second', value: Math.round(1_000 / (wall / 1_000)), unit: '' },
    ...latency('bursts of 200', times, 2_000),
    { name: 'bursts of 200, refused and sent again, of 1000', value: refused, unit: '' },
  ];
}

interface Answered {
  readonly status: number;
  readonly ms: number;
}

/** Sends a push until it is acknowledged, a second after each refusal, as senders do. All the answers it got. */
async function deliver(push: Sender['push'], id: string): Promise<Answered[]> {
  const answers: Answered[] = [];
  for (;;) {
    const answer = await push(id).catch(() => ({ status: 0, ms: NaN }));
    answers.push(answer);
    if (answer.status === 202) return answers;
    await sleep(1_000);
  }
}

/** Fifty a second by senders that try again, while Temporal is killed and comes back. */
async function acrossOutage({ push }: Sender, { stack }: Lab, seconds: number, say: Say): Promise<Figure[]> {
  say(`fifty pushes a second for ${seconds} s; Temporal is killed after a third of them`);
  const temporal = stack.servers.get('temporal');
  if (!temporal) throw new Error('this Temporal is not ours to kill');
  const outage = (async () => {
    await sleep((seconds * 1_000) / 3);
    await temporal.kill();
    await sleep(3_000);
    await temporal.restart();
  })();
  const delivered: Promise<Answered[]>[] = [];
  for (let n = 0; n < seconds * 50; n += 1) {
    delivered.push(deliver(push, nextId()));
    await sleep(20);
  }
  const [answers] = await Promise.all([Promise.all(delivered), outage]);
  const times = answers.flat().flatMap(({ status, ms }) => (status === 0 ? [] : [ms]));
  return [
    { name: 'around an outage of Temporal, delivered', value: answers.length, unit: '' },
    {
      name: 'around an outage, tries that were refused and made again',
      value: answers.flat().length - answers.length,
      unit: '',
    },
    ...latency('around an outage', times, 2_000),
  ];
}

/** Which acknowledged pushes have no run, once Temporal's list has caught up. */
async function missingFrom({ temporal }: Lab, taken: ReadonlySet<string>, say: Say) {
  say('looking for what is missing');
  for (let tries = 0; ; tries += 1) {
    const runs = new Map<string, number>();
    for await (const { workflowId } of temporal.workflow.list({ query: 'WorkflowType = "imagePush"' }))
      runs.set(workflowId, (runs.get(workflowId) ?? 0) + 1);
    // By id, not by number: one that was refused and started all the same would make up for one that is lost.
    const missing = [...taken].filter((id) => !runs.has(id)).length;
    const doubled = [...runs.values()].filter((times) => times > 1).length;
    if (missing === 0 || tries > 60) return { missing, doubled };
    await sleep(1_000);
  }
}

const latency = (name: string, times: readonly number[], atMost: number): Figure[] => [
  { name: `${name}, answered, p50`, value: percentile(times, 50), unit: 'ms' },
  { name: `${name}, answered, p99`, value: percentile(times, 99), unit: 'ms', atMost },
];
