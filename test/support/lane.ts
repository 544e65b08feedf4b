import type { Client } from '@temporalio/client';
import { resources, type KubernetesObject } from '../../src/clients/kubernetes.ts';
import { releaseId } from '../../src/workflows/messages.ts';
import { eventually, openStack } from './cluster.ts';
import { doing, runsOf, type RecordedRun } from './histories.ts';
import { followMoments, type Moment } from './moments.ts';
import { openPodinfo, type CanaryStatus, type Podinfo } from './podinfo.ts';
import type { Receiver } from './receiver.ts';

/** The tutorial's application, released again and again, with hooks and alerts that go to a receiver of the test. */
export interface Lane {
  readonly podinfo: Podinfo;
  readonly released: readonly Released[];
  initialized(): Promise<void>;
  /** Sets another image and waits until its release has ended and its run is over. */
  release(tag: string, quietly: Quietly): Promise<void>;
  /** Event objects of the Canary. */
  events(): Promise<KubernetesObject[]>;
  runs(): Promise<RecordedRun[]>;
  close(): Promise<void>;
}

/** Does something while nothing is down. */
export type Quietly = <T>(work: () => Promise<T>) => Promise<T>;

export interface Released {
  readonly tag: string;
  /** Half of its answers are errors. */
  readonly bad: boolean;
  readonly status: CanaryStatus;
  /** Tag that the primary ran afterwards. */
  readonly primary: string;
  /** Pod templates that the primary has had by then. */
  readonly primaryTemplates: number;
  readonly tookMs: number;
}

export interface LaneOptions {
  readonly intervalMs: number;
  readonly receiver: Receiver;
  readonly client: Client;
  readonly onMoment: (moment: Moment) => void;
}

/** Longest that a release may take with everything that happens to it, in milliseconds. */
const patienceMs = 240_000;

export async function openLane({ intervalMs, receiver, client, onMoment }: LaneOptions): Promise<Lane> {
  const podinfo = await openPodinfo({
    interval: `${intervalMs / 1_000}s`,
    analysis: analysis(receiver, openStack().loadTester),
    edit: (objects) => [provider(receiver, objects[0] as KubernetesObject), ...objects],
  });
  const { namespace, cluster, diary } = podinfo;
  const canary = { namespace, name: 'podinfo' };
  const released: Released[] = [];
  const ending = new AbortController();
  const following = followMoments(diary, onMoment, ending.signal);

  const rested = async (what: string, isThere: (status: CanaryStatus) => boolean) => {
    try {
      return await untilRested(what, isThere);
    } catch (error) {
      if (error instanceof Error) {
        const { status } = await podinfo.canary();
        error.message += `\n${JSON.stringify(status)}\n${diary.events().slice(-8).join('\n')}`;
        error.message += `\n${await doing(client.workflow, canary)}`;
      }
      throw error;
    }
  };
  const untilRested = (what: string, isThere: (status: CanaryStatus) => boolean) =>
    eventually(
      what,
      async () => {
        const { status } = await podinfo.canary();
        if (!status || !isThere(status)) return undefined;
        // The last words and the last alert come after the last status: only the end of the run is the end.
        const { status: run } = await client.workflow.getHandle(releaseId(canary)).describe();
        return run.name === 'RUNNING' ? undefined : status;
      },
      patienceMs,
    );

  return {
    podinfo,
    released,
    async initialized() {
      await rested(`initialization of ${namespace}`, ({ phase }) => phase === 'Initialized');
    },
    async release(tag, quietly) {
      const before = (await quietly(() => podinfo.canary())).status?.lastAppliedSpec;
      const since = Date.now();
      await quietly(() => podinfo.setImage(tag));
      const status = await rested(
        `the end of the release of ${tag} in ${namespace}`,
        ({ phase, lastAppliedSpec }) => lastAppliedSpec !== before && (phase === 'Succeeded' || phase === 'Failed'),
      );
      const tookMs = Date.now() - since;
      const [image, primaryTemplates] = await quietly(() =>
        Promise.all([podinfo.image('podinfo-primary'), templatesOfPrimary()]),
      );
      released.push({
        tag,
        bad: tag.includes('-err'),
        status,
        primary: image.split(':').at(-1) ?? '',
        primaryTemplates,
        tookMs,
      });
    },
    async events() {
      const { items } = await cluster.kubernetes.list(resources.events, namespace);
      return items.filter(({ involvedObject }) => (involvedObject as { kind: string }).kind === 'Canary');
    },
    runs: () => runsOf(client, canary),
    async close() {
      ending.abort();
      await following;
      await podinfo.close();
    },
  };

  /** Each pod template makes a ReplicaSet of its own. */
  async function templatesOfPrimary(): Promise<number> {
    const { items } = await cluster.kubernetes.list(replicaSets, namespace, { labelSelector: 'app=podinfo-primary' });
    return items.length;
  }
}

const replicaSets = { apiVersion: 'apps/v1', kind: 'ReplicaSet', plural: 'replicasets' } as const;

/** Two failed checks end a release, every kind of hook is asked, and everybody is told everything. */
function analysis(receiver: Receiver, loadTester: string): Readonly<Record<string, unknown>> {
  const hook = (name: string, type: string) => ({ name, type, url: receiver.hook(name), timeout: '30s' });
  const metric = (name: string, thresholdRange: object) => ({ name, thresholdRange, interval: '5s' });
  return {
    threshold: 2,
    maxWeight: 50,
    metrics: [metric('request-success-rate', { min: 99 }), metric('request-duration', { max: 500 })],
    alerts: [{ name: 'everything', severity: 'info', providerRef: { name: 'room' } }],
    webhooks: [
      hook('acceptance', 'pre-rollout'),
      hook('load-test', 'rollout'),
      { name: 'real-load-test', url: loadTester, timeout: '5s', metadata: { cmd: 'sleep 0.1' } },
      hook('more-traffic', 'confirm-traffic-increase'),
      hook('release', 'confirm-promotion'),
      hook('farewell', 'post-rollout'),
      hook('events', 'event'),
    ],
  };
}

/** Its room is told apart from those of other lanes by the namespace. */
function provider(receiver: Receiver, { metadata: { namespace = '' } }: KubernetesObject): object {
  return {
    apiVersion: 'flagger.app/v1beta1',
    kind: 'AlertProvider',
    metadata: { name: 'room', namespace },
    spec: { type: 'slack', address: receiver.room(namespace) },
  };
}
