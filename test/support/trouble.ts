import { setTimeout as sleep } from 'node:timers/promises';
import { expect } from '@jest/globals';
import { Client, Connection, WorkflowNotFoundError } from '@temporalio/client';
import { autoscaler, canary, deployment, type TutorialOptions } from '../../local/tutorial.ts';
import { resources, type KubernetesObject } from '../../src/clients/kubernetes.ts';
import { releaseId } from '../../src/workflows/messages.ts';
import { eventually, openStack } from './cluster.ts';
import { canaryWeight } from './diary.ts';
import { doing } from './histories.ts';
import { openPodinfo, type CanaryStatus, type Podinfo, type PodinfoOptions } from './podinfo.ts';

/** Plays a scene with the tutorial's application in a namespace of its own. A failure says what was told until then. */
export async function withPodinfo(options: PodinfoOptions, scene: (podinfo: Podinfo) => Promise<void>): Promise<void> {
  const podinfo = await openPodinfo(options);
  try {
    await scene(podinfo);
  } catch (error) {
    if (error instanceof Error) error.message += `\n\n${await told(podinfo)}`;
    throw error;
  } finally {
    await podinfo.close();
  }
}

/** The manifests of the tutorial for a namespace that was opened with none. */
export function manifestsFor({ namespace }: Podinfo, options: Partial<TutorialOptions> = {}): Manifests {
  const { loadTester } = openStack();
  const all = { loadTester, interval: '2s', namespace, ...options, analysis: { maxWeight: 30, ...options.analysis } };
  return {
    deployment: deployment(all) as KubernetesObject,
    autoscaler: autoscaler(all) as KubernetesObject,
    canary: canary(all) as CanaryManifest,
  };
}

export interface Manifests {
  readonly deployment: KubernetesObject;
  readonly autoscaler: KubernetesObject;
  readonly canary: CanaryManifest;
}

interface CanaryManifest extends KubernetesObject {
  readonly spec: Readonly<Record<string, unknown>> & { readonly analysis: object };
}

/** For `openPodinfo`: a namespace and a diary, and nothing applied yet. */
export const nothing: PodinfoOptions = { edit: () => [] };

export const isKind = (kind: string) => (object: object) => (object as KubernetesObject).kind === kind;

/** The tutorial's objects with the Canary's spec changed, and without its autoscaler. */
export const withSpec =
  (spec: object, more: (objects: object[]) => object[] = (objects) => objects) =>
  (objects: object[]) =>
    more(objects)
      .filter((object) => !isKind('HorizontalPodAutoscaler')(object))
      .map((object) => {
        const manifest = object as KubernetesObject;
        if (manifest.kind !== 'Canary') return object;
        return { ...manifest, spec: { ...(manifest.spec as object), autoscalerRef: undefined, ...spec } };
      });

/** A release of 3.1.1 that has got to weight 20, one step from the top of its ladder. */
export async function inMidRelease(podinfo: Podinfo): Promise<void> {
  await podinfo.phase('Initialized');
  await podinfo.setImage('3.1.1');
  await podinfo.weight(20);
}

/** The `Stalled` condition, whose absence means that nothing is wrong. */
export async function stalled(podinfo: Podinfo): Promise<CanaryStatus['conditions'][number] | undefined> {
  const conditions = await conditionsOf(podinfo);
  return conditions.find(({ type }) => type === 'Stalled');
}

/** Waits until the trouble is told: a Warning event, and a `Stalled` condition with the same words behind `Promoted`. */
export async function expectStalled(podinfo: Podinfo, reason: string, message: string): Promise<void> {
  await podinfo.told(`W ${message}`, 20_000);
  await eventually('the Stalled condition', async () => (await stalled(podinfo))?.message === message, 10_000);
  expect(await stalled(podinfo)).toMatchObject({ status: 'True', reason, message });
  await expectPromotedFirst(podinfo);
}

/** The same for a text of which only the beginning is ours. */
export async function expectTrouble(podinfo: Podinfo, reason: string, beginning: string): Promise<void> {
  await podinfo.told(`W ${beginning}`);
  const isThere = async () => (await stalled(podinfo))?.message?.startsWith(beginning) === true;
  await eventually('the Stalled condition', isThere, 10_000);
  expect(await stalled(podinfo)).toMatchObject({ status: 'True', reason });
  await expectPromotedFirst(podinfo);
}

/** Waits until nothing is wrong any more. */
export async function expectRecovered(podinfo: Podinfo): Promise<void> {
  await eventually('no Stalled condition', async () => (await stalled(podinfo)) === undefined, 20_000);
  await expectPromotedFirst(podinfo);
}

/** Where Flagger's users read it: `.status.conditions[0]`, once there is one. */
async function expectPromotedFirst(podinfo: Podinfo): Promise<void> {
  const types = (await conditionsOf(podinfo)).map(({ type }) => type);
  if (types.includes('Promoted')) expect(types[0]).toBe('Promoted');
}

async function conditionsOf(podinfo: Podinfo): Promise<CanaryStatus['conditions']> {
  return (await podinfo.canary()).status?.conditions ?? [];
}

/** Holds for some seconds: the release stays at its weight, in the route and in the status, and is not over. */
export async function expectHeld(podinfo: Podinfo, ms = 4_000): Promise<void> {
  const before = await route(podinfo);
  const until = Date.now() + ms;
  while (Date.now() < until) {
    expect((await route(podinfo)).spec).toEqual(before.spec);
    await sleep(500);
  }
  const { status } = await podinfo.canary();
  expect(status).toMatchObject({ phase: 'Progressing', canaryWeight: canaryWeight(before, 'podinfo-canary') });
}

export function route({ cluster, namespace }: Podinfo): Promise<KubernetesObject> {
  return cluster.read(resources.virtualServices, namespace, 'podinfo');
}

/** The canary's weights since the release began; each step is there once when nothing was taken back on the way. */
export function ladder({ diary }: Podinfo): readonly number[] {
  return diary.weights().map(({ canary }) => canary);
}

export const wholeLadder = [0, 10, 20, 30, 0];

export async function replicas(podinfo: Podinfo, name = 'podinfo'): Promise<number> {
  return ((await podinfo.deployment(name)).spec as { replicas: number }).replicas;
}

async function told(podinfo: Podinfo): Promise<string> {
  const status = await podinfo.canary().then(
    (canary) => JSON.stringify(canary.status),
    (error: unknown) => String(error),
  );
  const { diary } = podinfo;
  const weights = diary.weights().map(({ canary }) => canary);
  return [`weights: ${weights.join(' ')}`, `status: ${status}`, 'events:', ...diary.events()].join('\n  ');
}

/** What Temporal knows of the Canary's releases. */
export interface Releases {
  /** Run ids of all releases there were, open and closed. */
  runs(podinfo: Podinfo): Promise<readonly string[]>;
  /** Waits until the last run has completed and no other one follows within a second. */
  settled(podinfo: Podinfo): Promise<void>;
  /** Has the release that runs rolled back. */
  abort(podinfo: Podinfo): Promise<void>;
  close(): Promise<void>;
}

export async function openReleases(): Promise<Releases> {
  const connection = await Connection.connect({ address: openStack().temporal });
  const { workflow } = new Client({ connection });
  const latest = async ({ namespace }: Podinfo) => {
    try {
      return await workflow.getHandle(releaseId({ namespace, name: 'podinfo' })).describe();
    } catch (error) {
      if (error instanceof WorkflowNotFoundError) return undefined;
      throw error;
    }
  };
  return {
    async runs({ namespace }) {
      const ids: string[] = [];
      const query = `WorkflowId = '${releaseId({ namespace, name: 'podinfo' })}'`;
      for await (const { runId } of workflow.list({ query })) ids.push(runId);
      return ids;
    },
    async settled(podinfo) {
      const isSettled = async () => {
        const before = await latest(podinfo);
        if (before && before.status.name !== 'COMPLETED') return false;
        await sleep(1_000);
        return (await latest(podinfo))?.runId === before?.runId;
      };
      try {
        await eventually('no release is open', isSettled);
      } catch (error) {
        if (error instanceof Error)
          error.message += `\n${await doing(workflow, { namespace: podinfo.namespace, name: 'podinfo' })}`;
        throw error;
      }
    },
    async abort({ namespace }) {
      const handle = workflow.getHandle(releaseId({ namespace, name: 'podinfo' }));
      await handle.executeUpdate('abort', { args: [{ by: 'a test' }] });
    },
    close: () => connection.close(),
  };
}
