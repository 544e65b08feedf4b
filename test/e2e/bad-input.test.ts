import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { resources, type KubernetesObject } from '../../src/clients/kubernetes.ts';
import { eventually, openStack } from '../support/cluster.ts';
import { closeServers, startServer } from '../support/fake-server.ts';
import type { Podinfo, PodinfoOptions } from '../support/podinfo.ts';
import {
  expectHeld,
  expectRecovered,
  expectStalled,
  expectTrouble,
  inMidRelease,
  ladder,
  manifestsFor,
  nothing,
  openReleases,
  replicas,
  route,
  stalled,
  wholeLadder,
  withPodinfo,
  type Manifests,
  type Releases,
} from '../support/trouble.ts';

/*
 * Whatever is wrong is said once, clearly, in an event and in the `Stalled` condition; traffic stays where it is; and the
 * cure is all it takes to go on. The cases mind their own namespaces and run side by side.
 */
let releases: Releases;
beforeAll(async () => {
  releases = await openReleases();
});
afterAll(async () => {
  await closeServers();
  await releases.close();
});

interface Case {
  readonly what: string;
  /** Changes of the tutorial's Canary. */
  readonly spec?: object;
  readonly analysis?: object;
  /** What is applied before the Canary, if not the tutorial's Deployment and autoscaler. */
  readonly given?: (manifests: Manifests, podinfo: Podinfo) => readonly object[] | Promise<readonly object[]>;
  readonly reason: 'InvalidSpec' | 'NotFound' | 'Conflict';
  readonly says: (namespace: string) => string;
  readonly cure: (podinfo: Podinfo, manifests: Manifests) => Promise<unknown>;
}

const editing = (patch: object) => (podinfo: Podinfo) => podinfo.patchCanary({ spec: patch });
const removing =
  (kind: keyof typeof resources, name: string) =>
  ({ cluster, namespace }: Podinfo) =>
    cluster.kubernetes.remove(resources[kind], namespace, name);

/** Another application's Deployment. */
const stranger = (name: string): KubernetesObject => ({
  apiVersion: 'apps/v1',
  kind: 'Deployment',
  metadata: { name },
  spec: {
    replicas: 1,
    selector: { matchLabels: { app: 'stranger' } },
    template: {
      metadata: { labels: { app: 'stranger' } },
      spec: { containers: [{ name: 'stranger', image: 'stranger:1' }] },
    },
  },
});

/** Of another controller: a Service that a Deployment `stranger` owns. */
async function ownedService({ cluster, namespace }: Podinfo): Promise<object> {
  const [owner] = await cluster.apply(namespace, stranger('stranger'));
  const { uid = '' } = owner!.metadata;
  return {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: {
      name: 'podinfo-canary',
      ownerReferences: [{ apiVersion: 'apps/v1', kind: 'Deployment', name: 'stranger', uid, controller: true }],
    },
    spec: { selector: { app: 'stranger' }, ports: [{ port: 9898 }] },
  };
}

const unlabelled = ({ deployment }: Manifests): object => {
  const labels = { tier: 'web' };
  const { template, ...spec } = deployment.spec as { template: object };
  return {
    ...deployment,
    spec: { ...spec, selector: { matchLabels: labels }, template: { ...template, metadata: { labels } } },
  };
};

const atCreation: readonly Case[] = [
  {
    what: 'a step weight with a fraction, which the CRD lets through',
    analysis: { stepWeight: 10.5 },
    reason: 'InvalidSpec',
    says: () => 'invalid canary spec: spec.analysis.stepWeight: 10.5 is not a whole number; write 10 or 11',
    cure: editing({ analysis: { stepWeight: 10 } }),
  },
  {
    what: 'steps that never grow',
    analysis: { stepWeight: undefined, stepWeights: [10, 10, 20] },
    reason: 'InvalidSpec',
    says: () =>
      'invalid canary spec: spec.analysis.stepWeights: [10, 10, 20] never gets past 10; write weights that grow',
    cure: editing({ analysis: { stepWeights: [10, 20] } }),
  },
  {
    what: 'a target that is not there yet',
    given: ({ autoscaler }) => [autoscaler],
    reason: 'NotFound',
    says: (ns) => `deployment podinfo.${ns} get query error: deployments.apps "podinfo" not found`,
    cure: ({ cluster, namespace }, { deployment }) => cluster.apply(namespace, deployment),
  },
  {
    what: 'a target without a label that tells its pods apart',
    given: (manifests) => [unlabelled(manifests), manifests.autoscaler],
    reason: 'InvalidSpec',
    says: (ns) =>
      `getSelectorLabel failed: deployment podinfo.${ns} spec.selector.matchLabels must contain one of ` +
      '[app name app.kubernetes.io/name]',
    async cure({ cluster, namespace }, { deployment }) {
      await cluster.kubernetes.remove(resources.deployments, namespace, 'podinfo');
      await cluster.apply(namespace, deployment);
    },
  },
  {
    what: 'an autoscaler that is not there yet',
    given: ({ deployment }) => [deployment],
    reason: 'NotFound',
    says: (ns) =>
      `HorizontalPodAutoscaler podinfo.${ns} get query error: horizontalpodautoscalers.autoscaling "podinfo" not found`,
    cure: ({ cluster, namespace }, { autoscaler }) => cluster.apply(namespace, autoscaler),
  },
  {
    what: 'a provider that this version does not know',
    spec: { provider: 'contour' },
    reason: 'InvalidSpec',
    says: () =>
      'invalid canary spec: spec.provider: the provider contour is not supported yet; use one of istio, gatewayapi:v1, ' +
      'gatewayapi:v1beta1, kubernetes, knative',
    cure: editing({ provider: 'istio' }),
  },
  {
    what: 'a mirror, which the provider cannot do',
    spec: { provider: 'kubernetes' },
    analysis: { mirror: true },
    reason: 'InvalidSpec',
    says: () =>
      'invalid canary spec: spec.analysis.mirror: the provider kubernetes cannot mirror traffic; remove it, ' +
      'or use one of istio, gatewayapi:v1, gatewayapi:v1beta1',
    cure: editing({ provider: 'istio', analysis: { mirror: null } }),
  },
  {
    what: 'a Deployment of someone else with the name of the primary',
    given: ({ deployment, autoscaler }) => [deployment, autoscaler, stranger('podinfo-primary')],
    reason: 'Conflict',
    says: (ns) =>
      `deployment podinfo-primary.${ns} is not the primary of canary podinfo.${ns}: it does not select ` +
      'app=podinfo-primary; rename or delete it, or rename the target',
    cure: removing('deployments', 'podinfo-primary'),
  },
  {
    what: "a Service of another controller with the name of the canary's",
    given: async ({ deployment, autoscaler }, podinfo) => [deployment, autoscaler, await ownedService(podinfo)],
    reason: 'Conflict',
    says: (ns) =>
      `service podinfo-canary.${ns} exists and is controlled by Deployment stranger: rename or delete it, or set ` +
      'spec.service.name to another name',
    cure: removing('services', 'podinfo-canary'),
  },
  {
    what: "a Service that selects other pods with the name of the primary's",
    given: ({ deployment, autoscaler }) => [
      deployment,
      autoscaler,
      {
        apiVersion: 'v1',
        kind: 'Service',
        metadata: { name: 'podinfo-primary' },
        spec: { selector: { app: 'stranger' }, ports: [{ port: 9898 }] },
      },
    ],
    reason: 'Conflict',
    says: (ns) =>
      `service podinfo-primary.${ns} exists and selects other pods than this Canary would: rename or delete it, or set ` +
      'spec.service.name to another name',
    cure: removing('services', 'podinfo-primary'),
  },
  {
    what: 'an autoscaler of something else with the name of the primary',
    given: ({ deployment, autoscaler }) => [
      deployment,
      autoscaler,
      {
        ...autoscaler,
        metadata: { name: 'podinfo-primary' },
        spec: {
          ...(autoscaler.spec as object),
          scaleTargetRef: { apiVersion: 'apps/v1', kind: 'Deployment', name: 'stranger' },
        },
      },
    ],
    reason: 'Conflict',
    says: (ns) =>
      `HorizontalPodAutoscaler podinfo-primary.${ns} scales stranger and not podinfo-primary: rename or delete it, or ` +
      'rename the one that spec.autoscalerRef names',
    cure: removing('horizontalPodAutoscalers', 'podinfo-primary'),
  },
];

it.concurrent.each(atCreation)(
  'a Canary that is applied with $what says so, touches nothing, and is initialized after the cure',
  async (bad) => {
    await withPodinfo(nothing, async (podinfo) => {
      const { cluster, namespace } = podinfo;
      const manifests = manifestsFor(podinfo);
      const { deployment, autoscaler, canary } = manifests;
      const given = (await bad.given?.(manifests, podinfo)) ?? [deployment, autoscaler];
      const { analysis, ...spec } = canary.spec;
      const broken = { ...canary, spec: { ...spec, ...bad.spec, analysis: { ...analysis, ...bad.analysis } } };
      const stored = await cluster.apply(namespace, ...given, broken);
      await expectStalled(podinfo, bad.reason, bad.says(namespace));

      if (given.some((object) => isTarget(object as KubernetesObject)))
        expect(await replicas(podinfo)).toBeGreaterThan(0);
      expect(await cluster.kubernetes.get(resources.services, namespace, 'podinfo')).toBeUndefined();
      expect(await cluster.kubernetes.get(resources.virtualServices, namespace, 'podinfo')).toBeUndefined();
      for (const object of stored.filter(({ metadata }) => /-(primary|canary)$/.test(metadata.name)))
        expect(await specOf(podinfo, object)).toEqual(object.spec);

      await bad.cure(podinfo, manifests);
      await podinfo.phase('Initialized');
      await expectRecovered(podinfo);
      expect(await replicas(podinfo)).toBe(0);
    });
  },
);

const isTarget = ({ kind, metadata }: KubernetesObject) => kind === 'Deployment' && metadata.name === 'podinfo';

async function specOf({ cluster, namespace }: Podinfo, { kind, metadata }: KubernetesObject): Promise<unknown> {
  const resource = Object.values(resources).find((known) => known.kind === kind)!;
  return (await cluster.read(resource, namespace, metadata.name)).spec;
}

interface Mishap {
  readonly what: string;
  readonly reason: Case['reason'];
  readonly says: (namespace: string) => string;
  readonly befalls: (podinfo: Podinfo) => Promise<unknown>;
  readonly cure: (podinfo: Podinfo, manifests: Manifests) => Promise<unknown>;
}

const inTheMiddle: readonly Mishap[] = [
  {
    what: 'an edit that asks for a fraction of a step',
    reason: 'InvalidSpec',
    says: () => 'invalid canary spec: spec.analysis.stepWeight: 10.5 is not a whole number; write 10 or 11',
    befalls: editing({ analysis: { stepWeight: 10.5 } }),
    cure: editing({ analysis: { stepWeight: 10 } }),
  },
  {
    what: 'an edit that asks for another provider',
    reason: 'InvalidSpec',
    says: () =>
      'invalid canary spec: spec.provider: the provider contour is not supported yet; use one of istio, gatewayapi:v1, ' +
      'gatewayapi:v1beta1, kubernetes, knative',
    befalls: editing({ provider: 'contour' }),
    cure: editing({ provider: null }),
  },
  {
    what: 'an autoscaler that is deleted',
    reason: 'NotFound',
    says: (ns) =>
      `HorizontalPodAutoscaler podinfo.${ns} get query error: horizontalpodautoscalers.autoscaling "podinfo" not found`,
    befalls: removing('horizontalPodAutoscalers', 'podinfo'),
    cure: ({ cluster, namespace }, { autoscaler }) => cluster.apply(namespace, autoscaler),
  },
  {
    what: "a Service of the canary's that another controller claims",
    reason: 'Conflict',
    says: (ns) =>
      `service podinfo-canary.${ns} exists and is controlled by Deployment podinfo: rename or delete it, or set ` +
      'spec.service.name to another name',
    async befalls({ cluster, namespace }) {
      const { metadata } = await cluster.read(resources.deployments, namespace, 'podinfo');
      const owner = { apiVersion: 'apps/v1', kind: 'Deployment', name: 'podinfo', uid: metadata.uid, controller: true };
      const patch = { metadata: { ownerReferences: [owner] } };
      await cluster.kubernetes.patch(resources.services, namespace, 'podinfo-canary', patch);
    },
    cure: removing('services', 'podinfo-canary'),
  },
];

it.concurrent.each(inTheMiddle)(
  'in the middle of a release $what holds it at its weight until the cure',
  async (mishap) => {
    await withPodinfo({}, async (podinfo) => {
      await inMidRelease(podinfo);
      await mishap.befalls(podinfo);
      await expectStalled(podinfo, mishap.reason, mishap.says(podinfo.namespace));
      await expectHeld(podinfo);
      await mishap.cure(podinfo, manifestsFor(podinfo));
      await podinfo.phase('Succeeded');
      await expectRecovered(podinfo);
      expect(ladder(podinfo)).toEqual(wholeLadder);
    });
  },
);

/** A template that would read the share of requests that went well, were nothing wrong with it. */
const template = (provider: object = {}, query = 'vector(100)'): object => ({
  apiVersion: 'flagger.app/v1beta1',
  kind: 'MetricTemplate',
  metadata: { name: 'quality' },
  spec: { provider: { type: 'prometheus', address: openStack().prometheus, ...provider }, query },
});
const metrics = [{ name: 'quality', templateRef: { name: 'quality' }, thresholdRange: { min: 99 } }];

interface BadTemplate {
  readonly what: string;
  readonly given?: () => object;
  /** After `Metric template quality.<namespace> `. */
  readonly says: string;
  readonly cure?: () => object;
}

const badTemplates: readonly BadTemplate[] = [
  { what: 'that is missing', says: 'error: metrictemplate.flagger.app "quality" not found' },
  {
    what: 'of a provider that this version does not know',
    given: () => template({ type: 'datadog' }),
    says: "provider datadog error: metrics provider 'datadog' is not supported; supported are prometheus",
  },
  {
    what: 'whose query cannot be rendered',
    given: () => template({}, 'vector({{ quality }})'),
    says: 'query render error: template parsing failed: template: tmpl:1: function "quality" not defined',
  },
  {
    what: 'whose Secret is missing',
    given: () => template({ secretRef: { name: 'credentials' } }),
    says: 'secret credentials error: secrets "credentials" not found',
    cure: () => ({ apiVersion: 'v1', kind: 'Secret', metadata: { name: 'credentials' }, stringData: { token: 'x' } }),
  },
];

it.concurrent.each(badTemplates)(
  'a MetricTemplate $what fails checks until it is mended',
  async ({ given, says, cure }) => {
    const edit = (objects: object[]) => (given ? [given(), ...objects] : objects);
    await withPodinfo({ interval: '1s', analysis: { metrics, threshold: 10 }, edit }, async (podinfo) => {
      const { cluster, namespace } = podinfo;
      await podinfo.phase('Initialized');
      await podinfo.setImage('3.1.1');
      await expectStalled(podinfo, 'InvalidSpec', `Metric template quality.${namespace} ${says}`);
      await expectHeld(podinfo, 1_000);
      await cluster.apply(namespace, cure?.() ?? template());
      await podinfo.phase('Succeeded');
      await expectRecovered(podinfo);
      expect(ladder(podinfo)).toEqual(wholeLadder);
    });
  },
);

const nobody = 'http://127.0.0.1:9';
const unreachable = 'Prometheus query failed: running query failed: ';

it.concurrent(
  'a metrics server that does not answer holds the weight without a failed check, and the release goes on once it is named right',
  async () => {
    await withPodinfo(withSpec({ metricsServer: nobody }), async (podinfo) => {
      await podinfo.told('W Error checking metric providers: prometheus not avaiable: ');
      await podinfo.phase('Initialized');
      await podinfo.setImage('3.1.1');
      await expectTrouble(podinfo, 'Unavailable', unreachable);
      await expectHeld(podinfo, 3_000);
      expect((await podinfo.canary()).status).toMatchObject({ canaryWeight: 10, failedChecks: 0 });
      await podinfo.patchCanary({ spec: { metricsServer: openStack().prometheus } });
      await podinfo.phase('Succeeded');
      await expectRecovered(podinfo);
      expect(ladder(podinfo)).toEqual(wholeLadder);
    });
  },
);

it.concurrent(
  'a metrics server that does not answer ends the release when it stays away for as many checks as may fail',
  async () => {
    await withPodinfo({ analysis: { threshold: 3 }, ...withSpec({ metricsServer: nobody }) }, async (podinfo) => {
      await podinfo.phase('Initialized');
      await podinfo.setImage('3.1.1');
      const { failedChecks } = await podinfo.phase('Failed');
      await podinfo.told(`W Canary failed! Scaling down podinfo.${podinfo.namespace}`);
      expect(failedChecks).toBe(0);
      expect(podinfo.diary.events().filter((event) => event.startsWith(`W ${unreachable}`))).toHaveLength(3);
      expect(podinfo.diary.events()).toContain(`W Rolling back podinfo.${podinfo.namespace} no verdict for 3 checks`);
      expect(ladder(podinfo)).toEqual([0, 10, 0]);
      await expectRecovered(podinfo);
    });
  },
);

/** The tutorial with other fields of its Canary's spec. */
function withSpec(more: object): PodinfoOptions {
  return {
    edit: (objects) =>
      objects.map((object) => {
        const { kind, spec } = object as KubernetesObject;
        return kind === 'Canary' ? { ...object, spec: { ...(spec as object), ...more } } : object;
      }),
  };
}

interface BadHook {
  readonly what: string;
  readonly type: 'pre-rollout' | 'rollout';
  readonly hook: () => object;
  /** After `Halt podinfo.<namespace> advancement `. */
  readonly says: (url: string) => string;
}

it.concurrent.each<BadHook & { answer?: Parameters<typeof startServer>[0] }>([
  {
    what: 'before the rollout that answers 500',
    type: 'pre-rollout',
    answer: () => ({ status: 500, body: 'boom' }),
    hook: () => ({}),
    says: (url) => `pre-rollout check check failed POST ${url} giving up after 1 attempt(s)`,
  },
  {
    what: 'during the rollout that does not answer in time',
    type: 'rollout',
    answer: () => undefined,
    hook: () => ({ timeout: '1s' }),
    says: (url) => `external check check failed POST ${url} giving up after 1 attempt(s): `,
  },
  {
    what: 'that answers 400 and garbage',
    type: 'rollout',
    answer: () => ({ status: 400, body: '\u0000\u0001<html>{"' }),
    hook: () => ({}),
    says: () => 'external check check failed ',
  },
  {
    what: 'of a host that no name server knows',
    type: 'pre-rollout',
    hook: () => ({ url: 'http://nowhere.invalid/' }),
    says: () => 'pre-rollout check check failed POST http://nowhere.invalid/ giving up after 1 attempt(s): ',
  },
])('a webhook $what fails checks until it is mended', async ({ type, hook, says, answer }) => {
  const bad = await startServer(answer ?? (() => ({})));
  const good = await startServer(() => ({ status: 200 }));
  const webhooks = [{ name: 'check', type, url: `${bad.url}/`, ...hook() }];
  await withPodinfo({ interval: '1s', analysis: { metrics: [], webhooks, threshold: 10 } }, async (podinfo) => {
    await podinfo.phase('Initialized');
    await podinfo.setImage('3.1.1');
    const trouble = `Halt podinfo.${podinfo.namespace} advancement ${says(`${bad.url}/`)}`;
    await expectTrouble(podinfo, 'Unavailable', trouble);
    await expectHeld(podinfo, 1_000);
    expect((await podinfo.canary()).status?.failedChecks).toBeGreaterThan(0);
    await podinfo.patchCanary({ spec: { analysis: { webhooks: [{ name: 'check', type, url: `${good.url}/` }] } } });
    await podinfo.phase('Succeeded');
    await expectRecovered(podinfo);
    expect(ladder(podinfo)).toEqual(wholeLadder);
    expect(good.requests.length).toBeGreaterThan(0);
  });
});

it.concurrent('a webhook that is a gate holds the release until someone opens it', async () => {
  const { loadTester } = openStack();
  const gate = (name: string, type: string) => ({ name, type, url: `${loadTester}gate/check` });
  const webhooks = [gate('may-it-begin', 'confirm-rollout'), gate('may-it-end', 'confirm-promotion')];
  await withPodinfo({ interval: '1s', analysis: { metrics: [], webhooks, maxWeight: 50 } }, async (podinfo) => {
    const { namespace, diary } = podinfo;
    const turn = async (way: 'open' | 'close') => {
      const body = JSON.stringify({ name: 'podinfo', namespace });
      const { status } = await fetch(`${loadTester}gate/${way}`, { method: 'POST', body });
      expect(status).toBe(202);
    };
    await podinfo.phase('Initialized');
    await podinfo.setImage('3.1.1');
    await podinfo.phase('Waiting');
    await podinfo.told(`W Halt podinfo.${namespace} advancement waiting for approval may-it-begin`);
    expect(await replicas(podinfo)).toBe(0);
    await turn('open');
    await podinfo.weight(20);
    await turn('close');
    await podinfo.phase('WaitingPromotion');
    await podinfo.told(`W Halt podinfo.${namespace} advancement waiting for promotion approval may-it-end`);
    await sleep(3_000);
    expect(await podinfo.image('podinfo-primary')).toMatch(/:3\.1\.0$/);
    expect(ladder(podinfo)).toEqual([0, 10, 20, 30, 40, 50]);
    await turn('open');
    await podinfo.phase('Succeeded');
    expect(ladder(podinfo)).toEqual([0, 10, 20, 30, 40, 50, 0]);
    expect(diary.events().filter((event) => event.includes('approval'))).toHaveLength(2);
  });
});

it.concurrent(
  'a VirtualService that was written by hand is taken over once the primary is ready, and remembered',
  async () => {
    const spec = {
      hosts: ['podinfo.example.test'],
      gateways: ['mesh'],
      http: [{ match: [{ uri: { exact: '/old' } }], route: [{ destination: { host: 'podinfo' } }] }],
    };
    const byHand = {
      apiVersion: 'networking.istio.io/v1beta1',
      kind: 'VirtualService',
      metadata: { name: 'podinfo', annotations: { team: 'shop' } },
      spec,
    };
    await withPodinfo({ edit: (objects) => [byHand, ...objects] }, async (podinfo) => {
      await podinfo.phase('Initialized');
      const taken = await route(podinfo);
      expect(taken.spec).toMatchObject({ hosts: ['*'], http: [{ route: [{ weight: 100 }, { weight: 0 }] }] });
      const { annotations } = taken.metadata;
      const original = annotations?.['flagger.kubernetes.io/original-configuration'] ?? '{}';
      expect(JSON.parse(original)).toEqual(spec);
      await podinfo.setImage('3.1.1');
      await podinfo.phase('Succeeded');
      const after = (await route(podinfo)).metadata.annotations;
      expect(JSON.parse(after?.['flagger.kubernetes.io/original-configuration'] ?? '{}')).toEqual(spec);
    });
  },
);

interface Cure {
  readonly what: string;
  /** Of the older one. */
  readonly spec?: object;
  readonly initialized: boolean;
  readonly cure: (podinfo: Podinfo) => Promise<unknown>;
}
it.concurrent.each<Cure>([
  { what: 'is deleted', initialized: true, cure: removing('canaries', 'elder') },
  {
    what: 'is deleted that never did anything',
    spec: { suspend: true },
    initialized: false,
    cure: removing('canaries', 'elder'),
  },
  {
    what: 'gets another target',
    spec: { suspend: true },
    initialized: false,
    cure: ({ cluster: { kubernetes }, namespace }) =>
      kubernetes.patch(resources.canaries, namespace, 'elder', { spec: { targetRef: { name: 'other' } } }),
  },
])('a second Canary for the same target is held until the older one $what', async ({ spec, initialized, cure }) => {
  await withPodinfo(nothing, async (podinfo) => {
    const { cluster, namespace } = podinfo;
    const { deployment, canary } = manifestsFor(podinfo);
    // Nor an autoscaler, whose doings would be a reason to look again.
    const younger = { ...canary, spec: { ...canary.spec, autoscalerRef: undefined } };
    const elder = { ...younger, metadata: { name: 'elder' }, spec: { ...younger.spec, ...spec } };
    await cluster.apply(namespace, deployment, elder);
    const phase = async () => {
      const { status } = await cluster.read(resources.canaries, namespace, 'elder');
      return (status as { phase?: string } | undefined)?.phase;
    };
    if (initialized) await eventually('the older one is initialized', async () => (await phase()) === 'Initialized');
    await sleep(1_000);
    await cluster.apply(namespace, younger);
    await expectStalled(
      podinfo,
      'Conflict',
      `Deployment podinfo.${namespace} is the target of canary elder.${namespace}, which is older; ` +
        'give one of the two another spec.targetRef',
    );
    expect((await replicas(podinfo)) === 0).toBe(initialized);
    await releases.settled(podinfo);
    await cure(podinfo);
    await podinfo.phase('Initialized');
    await expectRecovered(podinfo);
  });
});

it.concurrent('an interval that nobody can read is told once, and a minute is used until it is mended', async () => {
  await withPodinfo({ interval: '10sfoo' }, async (podinfo) => {
    const message =
      'spec.analysis.interval: time: unknown unit "sfoo" in duration "10sfoo"; a minute is used; ' +
      'write one such as 30s or 1m30s';
    const warning = `W ${message}`;
    await podinfo.phase('Initialized');
    const standing = { type: 'Warning', status: 'True', reason: 'InvalidSpec', message };
    expect((await podinfo.canary()).status?.conditions).toMatchObject([{ type: 'Promoted' }, standing]);
    await podinfo.setImage('3.1.1');
    await podinfo.weight(10);
    await expectHeld(podinfo);
    expect(podinfo.diary.events().filter((event) => event.startsWith('W spec'))).toEqual([warning]);
    await podinfo.setImage('3.1.0');
    await podinfo.phase('Succeeded');
    await podinfo.patchCanary({ spec: { analysis: { interval: '2s' } } });
    const isMended = async () => (await podinfo.canary()).status?.conditions.length === 1;
    await eventually('the condition is gone', isMended, 20_000);
    await podinfo.setImage('3.1.2');
    await podinfo.told(`Promotion completed! Scaling down podinfo.${podinfo.namespace}`);
    expect(ladder(podinfo)).toEqual([0, 10, ...wholeLadder]);
    expect(podinfo.diary.events().filter((event) => event.startsWith('W spec'))).toHaveLength(1);
  });
});

it.concurrent(
  'a release that is suspended in the middle stays where it is, and goes on when it is resumed',
  async () => {
    await withPodinfo({}, async (podinfo) => {
      await inMidRelease(podinfo);
      await podinfo.patchCanary({ spec: { suspend: true } });
      const suspended = 'skipping canary run as object is suspended';
      await podinfo.told(suspended);
      await expectHeld(podinfo);
      expect(podinfo.diary.events().filter((event) => event === suspended)).toHaveLength(1);
      await podinfo.patchCanary({ spec: { suspend: false } });
      await podinfo.phase('Succeeded');
      expect(ladder(podinfo)).toEqual(wholeLadder);
    });
  },
);

it.concurrent('a release whose analysis is skipped in the middle is promoted at once', async () => {
  await withPodinfo({ interval: '30s' }, async (podinfo) => {
    await podinfo.phase('Initialized');
    await podinfo.setImage('3.1.1');
    await podinfo.weight(10);
    await podinfo.patchCanary({ spec: { skipAnalysis: true } });
    await podinfo.told(`Promotion completed! Canary analysis was skipped for podinfo.${podinfo.namespace}`, 20_000);
    expect((await podinfo.canary()).status).toMatchObject({ phase: 'Succeeded', canaryWeight: 0 });
    expect(await podinfo.image('podinfo-primary')).toMatch(/:3\.1\.1$/);
    expect(ladder(podinfo)).toEqual([0, 10, 0]);
  });
});

it.concurrent(
  'a release that a policy of the cluster forbids to move traffic holds until it is allowed to',
  async () => {
    await withPodinfo({ analysis: { maxWeight: 50 } }, async (podinfo) => {
      await inMidRelease(podinfo);
      const allow = await forbid(podinfo, 'UPDATE', 'networking.istio.io', 'virtualservices');
      try {
        const forbidden = await eventually('a Stalled condition', () => stalled(podinfo), 60_000);
        expect(forbidden).toMatchObject({ status: 'True', reason: expect.stringMatching(/Unauthorized|InvalidSpec/) });
        expect(forbidden.message).toContain(`VirtualService podinfo.${podinfo.namespace} update failed: `);
        await podinfo.told(`W ${forbidden.message}`);
        await expectHeld(podinfo);
      } finally {
        await allow();
      }
      await podinfo.phase('Succeeded');
      await expectRecovered(podinfo);
      expect(ladder(podinfo)).toEqual([0, 10, 20, 30, 40, 50, 0]);
    });
  },
);

it.concurrent('a release of which a policy of the cluster lets nobody tell is rolled back all the same', async () => {
  await withPodinfo({ analysis: { threshold: 2 } }, async (podinfo) => {
    const { cluster, namespace } = podinfo;
    await podinfo.phase('Initialized');
    const allow = await forbid(podinfo, 'CREATE', '', 'events');
    const involvedObject = { apiVersion: 'v1', kind: 'Namespace', name: namespace, namespace };
    const event = { apiVersion: 'v1', kind: 'Event', metadata: { name: 'probe', namespace }, involvedObject };
    const refused = () =>
      cluster.kubernetes.create(resources.events, { ...event, metadata: { name: randomUUID(), namespace } }).then(
        () => false,
        () => true,
      );
    try {
      await eventually('events are refused', refused, 60_000);
      await podinfo.setImage('3.1.1-err50');
      await podinfo.weight(10);
      await podinfo.phase('Failed');
      expect(ladder(podinfo)).toEqual([0, 10, 0]);
      await eventually('the canary is scaled down', async () => (await replicas(podinfo)) === 0);
      await expectRecovered(podinfo);
    } finally {
      await allow();
    }
  });
});

/** As a missing right would, in one namespace: nobody may do that there. Returns what allows it again. */
async function forbid(
  { cluster: { kubernetes }, namespace }: Podinfo,
  operation: string,
  group: string,
  plural: string,
): Promise<() => Promise<void>> {
  const apiVersion = 'admissionregistration.k8s.io/v1';
  const policies = { apiVersion, kind: 'ValidatingAdmissionPolicy', plural: 'validatingadmissionpolicies' };
  const bindings = {
    apiVersion,
    kind: 'ValidatingAdmissionPolicyBinding',
    plural: 'validatingadmissionpolicybindings',
  };
  const rule = { apiGroups: [group], apiVersions: ['*'], operations: [operation], resources: [plural] };
  await kubernetes.create(policies, {
    ...policies,
    metadata: { name: namespace },
    spec: {
      matchConstraints: { resourceRules: [rule] },
      validations: [{ expression: 'false', message: `no ${operation} of ${plural} here`, reason: 'Forbidden' }],
    },
  });
  await kubernetes.create(bindings, {
    ...bindings,
    metadata: { name: namespace },
    spec: {
      policyName: namespace,
      validationActions: ['Deny'],
      matchResources: { namespaceSelector: { matchLabels: { 'kubernetes.io/metadata.name': namespace } } },
    },
  });
  return async () => {
    await kubernetes.remove(bindings, undefined, namespace);
    await kubernetes.remove(policies, undefined, namespace);
  };
}

describe('Prometheus', () => {
  // Not beside the others, who need it. It runs when they are done.
  it('that goes away in the middle of a release holds the weight, and the release goes on when it is back', async () => {
    await withPodinfo({}, async (podinfo) => {
      await inMidRelease(podinfo);
      const prometheus = openStack().server('prometheus');
      await prometheus.stop();
      try {
        await expectTrouble(podinfo, 'Unavailable', unreachable);
        await expectHeld(podinfo, 4_000);
        expect((await podinfo.canary()).status?.failedChecks).toBe(0);
      } finally {
        await prometheus.restart();
      }
      await podinfo.phase('Succeeded');
      expect(ladder(podinfo)).toEqual(wholeLadder);
    });
  });
});
