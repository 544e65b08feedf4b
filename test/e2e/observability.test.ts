import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { pushImage } from '../../local/push-image.ts';
import { declaredBy, labelValues, processes, temporals } from '../../local/reference/metrics.ts';
import { eventually, openStack } from '../support/cluster.ts';
import { alertRules, dashboardQueries } from '../support/monitoring.ts';
import { openPodinfo, type Podinfo } from '../support/podinfo.ts';

const { prometheus, registry } = openStack();

interface Sample {
  readonly metric: Readonly<Record<string, string>>;
  readonly value: readonly [number, string];
}

interface Answer {
  readonly status: string;
  readonly error?: string;
  readonly data?: { readonly resultType: string; readonly result: readonly Sample[] };
}

async function ask(path: string, query: Readonly<Record<string, string>> = {}): Promise<unknown> {
  const url = new URL(path, prometheus);
  for (const [name, value] of Object.entries(query)) url.searchParams.set(name, value);
  return (await fetch(url)).json();
}

/** What Prometheus says to a query, as it is. */
const query = async (expr: string) => (await ask('/api/v1/query', { query: expr })) as Answer;

/** Values of the release's own series, by their labels but those of the scrape. */
async function ours(name: string): Promise<readonly (readonly [Readonly<Record<string, string>>, number])[]> {
  const { data } = await query(`${name}{namespace="${podinfo.namespace}"}`);
  return data!.result.map(({ metric, value }) => {
    const labels = Object.entries(metric).filter(([label]) => !['__name__', 'instance', 'job'].includes(label));
    return [Object.fromEntries(labels), Number(value[1])] as const;
  });
}

let podinfo: Podinfo;
/** Flagger's gauges while the canary had a fifth of the traffic, and after its promotion. */
const during: Record<string, unknown> = {};
const promoted: Record<string, unknown> = {};

beforeAll(async () => {
  const repository = `shop/watched-${Date.now()}`;
  await pushImage(registry, repository, '3.1.0');
  podinfo = await openPodinfo({
    image: `${registry}/${repository}`,
    // Steps enough for a scrape to fall between two.
    analysis: { maxWeight: 50 },
    annotations: { 'serin.dev/image-policies': JSON.stringify([{ container: 'podinfod', policy: 'semver:^3.1' }]) },
  });
  await podinfo.phase('Initialized');
  await pushImage(registry, repository, '3.1.1');
  await podinfo.weight(20);
  // Steps are two seconds apart, scrapes one: what is read is of this step, or of one nearby.
  const isSplit = async () => {
    const weights = await ours('flagger_canary_weight');
    return weights.some(([, weight]) => weight > 0 && weight < 100);
  };
  await eventually('Prometheus has seen a step', isSplit, 10_000);
  for (const name of ['status', 'weight']) during[name] = await ours(`flagger_canary_${name}`);
  await podinfo.phase('Succeeded');
  await eventually('Prometheus has the success', async () => (await ours('flagger_canary_status'))[0]?.[1] === 1);
  for (const name of ['status', 'weight']) promoted[name] = await ours(`flagger_canary_${name}`);
  await podinfo.setImage('3.1.2-err50');
  await podinfo.phase('Failed');
  await eventually('Prometheus has the failure', async () => (await ours('flagger_canary_status'))[0]?.[1] === 2);
  // Rates need two scrapes of what came last.
  await sleep(2_500);
}, 90_000);

afterAll(() => podinfo?.close());

describe('Flagger’s series', () => {
  const target = () => ({ name: 'podinfo', namespace: podinfo.namespace });
  const weights = (canary: number) => [
    [{ workload: 'podinfo', namespace: podinfo.namespace }, canary],
    [{ workload: 'podinfo-primary', namespace: podinfo.namespace }, 100 - canary],
  ];
  const inOrder = (samples: unknown) =>
    [...(samples as [Record<string, string>, number][])].sort(([a], [b]) =>
      String(a.workload ?? a.metric).localeCompare(String(b.workload ?? b.metric)),
    );

  it('say 0, and the weights of a step, while a release is analysed', () => {
    expect(during.status).toEqual([[target(), 0]]);
    const [[, weight]] = inOrder(during.weight) as [[unknown, number]];
    expect([10, 20, 30, 40, 50]).toContain(weight);
    expect(inOrder(during.weight)).toEqual(weights(weight));
  });

  it('say 1 after a promotion, 2 after a rollback, and that the primary has all traffic', async () => {
    expect(promoted.status).toEqual([[target(), 1]]);
    expect(inOrder(promoted.weight)).toEqual(weights(0));
    expect(await ours('flagger_canary_status')).toEqual([[target(), 2]]);
    expect(inOrder(await ours('flagger_canary_weight'))).toEqual(weights(0));
    expect(await ours('flagger_canary_total')).toEqual([[{ namespace: podinfo.namespace }, 1]]);
  });

  it('count what became of releases, how long analyses took, and what their checks read', async () => {
    const result = { ...target(), deployment_strategy: 'canary', analysis_status: 'completed' };
    expect(await ours('flagger_canary_successes_total')).toEqual([[result, 1]]);
    expect(await ours('flagger_canary_failures_total')).toEqual([[result, 1]]);
    const [[labels, analyses]] = (await ours('flagger_canary_duration_seconds_count')) as [[object, number]];
    expect(labels).toEqual(target());
    // Five weights, and five failures at one of them.
    expect(analyses).toBeGreaterThanOrEqual(10);
    const readings = inOrder(await ours('flagger_canary_metric_analysis'));
    expect(readings.map(([metric]) => metric)).toEqual([
      { ...target(), metric: 'request-duration' },
      { ...target(), metric: 'request-success-rate' },
    ]);
    expect(readings[1]![1]).toBeLessThan(99);
  });

  it('say who exports them', async () => {
    const { data } = await query('flagger_info');
    expect(data!.result[0]!.metric).toMatchObject({ version: expect.stringMatching(/^\d/), mesh_provider: 'istio' });
  });
});

describe('the dashboard', () => {
  /** Queries that find nothing here, and rightly so. */
  const rightlyEmpty: Readonly<Record<string, string>> = {
    serin_watch_errors_total: 'every list and watch may succeed',
    serin_activity_failures_total: 'no step fails as long as nothing is down',
    '(long_request_failure|request_failure)': 'Temporal answers everything',
    temporal_workflow_task_execution_failed: 'no code fails',
    temporal_sticky_cache_total_forced_eviction: 'there is room for more releases than there are',
  };
  const queries = () =>
    dashboardQueries({
      ...{ namespace: podinfo.namespace, canary: 'podinfo' },
      ...{ __rate_interval: '2m', __range: '2m' },
    });

  it('asks nothing that Prometheus does not understand, and finds an answer to everything that happened', async () => {
    expect(queries().length).toBeGreaterThan(40);
    const wrong: string[] = [];
    for (const { title, expr } of queries()) {
      const { status, error, data } = await query(expr);
      const mayBeEmpty = Object.keys(rightlyEmpty).some((series) => expr.includes(series));
      if (status !== 'success') wrong.push(`${title}: ${error}: ${expr}`);
      else if (data!.result.length === 0 && !mayBeEmpty) wrong.push(`${title} is empty: ${expr}`);
    }
    expect(wrong).toEqual([]);
  });

  it('lets everything be left out that is said to find nothing, and nothing else', () => {
    const exprs = queries().map(({ expr }) => expr);
    const unused = Object.keys(rightlyEmpty).filter((series) => !exprs.some((expr) => expr.includes(series)));
    expect(unused).toEqual([]);
  });

  it('shows numbers where there are some', async () => {
    const titled = async (title: string) => {
      const { data } = await query(queries().find((panel) => panel.title === title)!.expr);
      return data!.result.map(({ value }) => Number(value[1]));
    };
    expect(await titled('Canaries')).toEqual([1]);
    expect(await titled('In flight')).toEqual([0]);
    expect(await titled('Rolled back')).toEqual([1]);
    expect(await titled('Promoted in this time')).toEqual([1]);
    expect(await titled('Failed in this time')).toEqual([1]);
    expect(await titled('Workers that poll')).toEqual([1]);
    expect(await titled('Starters')).toEqual([1]);
  });
});

describe('the alert rules', () => {
  it('are understood, each of them', async () => {
    const answers = await Promise.all(alertRules().map(async ({ alert, expr }) => [alert, await query(expr)] as const));
    expect(answers.filter(([, { status }]) => status !== 'success')).toEqual([]);
  });

  it('see the release that was rolled back, and no engine that is stuck, behind or blind', async () => {
    const found = async (name: string) => {
      const { data } = await query(alertRules().find(({ alert }) => alert === name)!.expr);
      return data!.result.map(({ metric }) => metric);
    };
    const { namespace } = podinfo;
    expect(await found('SerinReleaseRolledBack')).toContainEqual({ namespace, name: 'podinfo' });
    // Others may have left something behind that stands still.
    expect((await found('SerinReleaseStuck')).filter((release) => release.namespace === namespace)).toEqual([]);
    for (const name of ['SerinWorkerMissing', 'SerinStarterMissing', 'SerinWatchDeaf'])
      expect([name, await found(name)]).toEqual([name, []]);
  });
});

describe('what processes export', () => {
  interface Endpoint {
    readonly types: ReadonlyMap<string, string>;
    /** Label sets by the name of the series. */
    readonly series: readonly { readonly name: string; readonly labels: Readonly<Record<string, string>> }[];
  }

  const endpoints: Endpoint[] = [];
  beforeAll(async () => {
    const { data } = (await ask('/api/v1/targets')) as {
      data: { activeTargets: readonly { scrapeUrl: string; labels: { job: string }; health: string }[] };
    };
    const targets = data.activeTargets.filter(({ labels }) => labels.job === 'serin');
    expect(targets.map(({ health }) => health)).toEqual(Array(4).fill('up'));
    for (const { scrapeUrl } of targets) endpoints.push(parseExposition(await (await fetch(scrapeUrl)).text()));
  });

  const endpointWith = (name: string) => endpoints.find(({ types }) => types.has(name))!;
  const marks = {
    worker: 'serin_worker_polling',
    starter: 'serin_hints_waiting',
    'load tester': 'serin_loadtester_commands_running',
  } as const;

  it.each(Object.keys(marks) as (keyof typeof marks)[])('is, of a %s, what the reference says', (name) => {
    const { types } = endpointWith(marks[name]);
    for (const series of declaredBy(processes[name]()))
      expect([series.name, types.get(series.name)]).toEqual([series.name, series.type]);
    const declared = new Set(declaredBy(processes[name]()).map((series) => series.name));
    const more = [...types.keys()].filter((type) => /^(serin|flagger)_/.test(type) && !declared.has(type));
    expect(more).toEqual([]);
  });

  it('is, of Temporal’s library, what the reference says, but for what only a failure brings', () => {
    const { types } = endpointWith('temporal_long_request');
    const named = temporals.flatMap(([names]) => [...names.matchAll(/`(\w+)`/g)].map(([, name]) => name!));
    const missing = named.filter((name) => !types.has(name) && !/fail|eviction/.test(name));
    expect(missing).toEqual([]);
  });

  it('is bounded: no label has an id, and a Canary has a few dozen series', () => {
    // Of runs, traces, digests, revisions and workflows.
    const id = /[0-9a-f]{8}-[0-9a-f]{4}-|[0-9a-f]{16}|sha256:|v1:|release\/|img\/|poll\//;
    for (const { series } of endpoints) {
      const labels = series.flatMap(({ labels }) => Object.entries(labels));
      expect(labels.filter(([, value]) => id.test(value))).toEqual([]);
      const isOfCanary = ({ labels }: Endpoint['series'][number]) =>
        labels.namespace !== undefined && !('task_queue' in labels) && !('service_name' in labels);
      const own = series.filter(({ labels }) => labels.namespace === podinfo.namespace);
      expect(own.length).toBeLessThan(40);
      expect(series.filter((one) => !isOfCanary(one)).length).toBeLessThan(1_000);
    }
  });

  it('has labels that somebody has thought about', () => {
    const ofOurs = endpoints.flatMap(({ series }) => series.filter(({ name }) => /^(serin|flagger)_/.test(name)));
    const labels = new Set(ofOurs.flatMap(({ labels }) => Object.keys(labels)));
    expect([...labels].filter((label) => label !== 'le' && labelValues[label] === undefined)).toEqual([]);
  });

  function parseExposition(text: string): Endpoint {
    const lines = text.split('\n');
    const types = lines.flatMap((line) => {
      const [, name, type] = /^# TYPE (\S+) (\S+)$/.exec(line) ?? [];
      return name && type ? [[name, type] as const] : [];
    });
    const series = lines.flatMap((line) => {
      const [, name, labels = ''] = /^([a-z_:]\w*)(?:\{(.*)\})? \S+$/i.exec(line) ?? [];
      if (!name) return [];
      const pairs = [...labels.matchAll(/(\w+)="((?:[^"\\]|\\.)*)"/g)].map(([, label, value]) => [label!, value!]);
      return [{ name, labels: Object.fromEntries(pairs) as Record<string, string> }];
    });
    return { types: new Map(types), series };
  }
});
