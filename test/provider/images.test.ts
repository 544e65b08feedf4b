import { afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { Registry } from 'prom-client';
import { applyCrds } from '../../local/crds.ts';
import { revisionOf } from '../../src/activities/revision.ts';
import { createImageActivities } from '../../src/activities/images/index.ts';
import type { ImageActivities, ImageWritten } from '../../src/activities/images/contract.ts';
import { resources, type KubernetesObject, type Resource } from '../../src/clients/kubernetes.ts';
import { failure } from '../../src/errors.ts';
import type { RegistryBinding } from '../../src/images/binding.ts';
import type { Registries } from '../../src/images/registry.ts';
import type { ImagePush } from '../../src/workflows/image-push.ts';
import { openCluster, type TestCluster } from '../support/cluster.ts';
import { closeServers, startServer, type Reply } from '../support/fake-server.ts';

/**
 * Writing images into targets of a real API server: server-side apply, its managed fields, and the objects of GitOps
 * tools, played by their field managers.
 */

const A = `sha256:${'a'.repeat(64)}`;
const B = `sha256:${'b'.repeat(64)}`;
const C = `sha256:${'c'.repeat(64)}`;
const host = 'registry.example.com';

let cluster: TestCluster;
let namespace: string;

/** What the registry has, by `repository:tag` or `repository@digest`. */
let stored: Map<string, string>;
let now: Date;
let metrics: Registry;

const registries: Registries = {
  resolve: (_, repository, tag) => {
    const digest = stored.get(`${repository}:${tag}`);
    return Promise.resolve(digest === undefined ? { missing: 'HEAD: HTTP 404' } : { digest });
  },
  tags: (_, repository) =>
    Promise.resolve(
      [...stored.keys()].flatMap((key) => (key.startsWith(`${repository}:`) ? [key.slice(repository.length + 1)] : [])),
    ),
};

beforeAll(async () => {
  cluster = openCluster();
  await applyCrds(cluster.kubernetes, [new URL('../fixtures/gitops/crds.yaml', import.meta.url).pathname], true);
});

beforeEach(async () => {
  namespace = await cluster.namespace('images');
  stored = new Map();
  now = new Date();
  metrics = new Registry();
  worker = createImageActivities({
    ...{ kubernetes: cluster.kubernetes, receivers: [receiverFor()], registries, metrics, now: () => now },
    settings: { namespace: '', argoNamespace: namespace },
  });
});
afterEach(closeServers);

const receiverFor = (more: Partial<RegistryBinding> = {}): RegistryBinding => ({
  ...{ name: 'prod', host, hostAliases: [], repositories: ['shop/*'], namespaces: [namespace], settleMs: 0 },
  registry: { url: `https://${host}`, authHosts: [] },
  ...more,
});

/** A worker with one receiver, which counts. */
let worker: ImageActivities;

function activities(
  receivers?: readonly RegistryBinding[],
  more: { registries?: Registries } = { registries },
): ImageActivities {
  if (!receivers) return worker;
  const settings = { namespace: '', argoNamespace: namespace };
  return createImageActivities({ kubernetes: cluster.kubernetes, receivers, settings, now: () => now, ...more });
}

let pushes = 0;
const push = (tag: string, more: Partial<ImagePush> = {}): ImagePush => ({
  ...{ receiver: 'prod', source: 'distribution', trust: 'shared-secret', eventId: `event-${(pushes += 1)}` },
  ...{ host, repository: 'shop/cart', tag },
  ...more,
});

const policies = (policy: object = { policy: 'semver:^1' }) => ({
  'serin.dev/image-policies': JSON.stringify([{ container: 'cart', ...policy }]),
});

async function canary(annotations: Record<string, string> = policies(), phase = 'Initialized'): Promise<void> {
  await cluster.apply(namespace, {
    apiVersion: 'flagger.app/v1beta1',
    kind: 'Canary',
    metadata: { name: 'cart', annotations },
    spec: {
      targetRef: { apiVersion: 'apps/v1', kind: 'Deployment', name: 'cart' },
      service: { port: 80 },
      analysis: { interval: '1m', threshold: 1, maxWeight: 50, stepWeight: 10 },
    },
  });
  await inPhase(phase);
}

async function inPhase(phase: string): Promise<void> {
  const status = { phase, canaryWeight: 0, failedChecks: 0, iterations: 0 };
  await cluster.kubernetes.patch(resources.canaries, namespace, 'cart', { status }, 'status');
}

interface Written {
  readonly name?: string;
  readonly labels?: object;
  readonly annotations?: object;
  readonly pod?: object;
  readonly manager?: string;
}

/** The target, as somebody applies it. */
async function deployment(image: string, written: Written = {}): Promise<void> {
  const { name = 'cart', labels = {}, annotations = {}, pod = {}, manager = 'kubectl' } = written;
  const object = {
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    metadata: { name, namespace, labels, annotations },
    spec: {
      selector: { matchLabels: { app: name } },
      template: {
        metadata: { labels: { app: name } },
        spec: {
          containers: [
            { name: 'cart', image },
            { name: 'side', image: 'side:1' },
          ],
          ...pod,
        },
      },
    },
  };
  await cluster.kubernetes.apply(resources.deployments, object, manager, true);
}

interface Pods {
  readonly template: {
    readonly metadata: { readonly annotations?: Record<string, string> };
    readonly spec: {
      readonly containers: readonly { readonly name: string; readonly image: string }[];
      readonly initContainers?: readonly { readonly name: string; readonly image: string }[];
    };
  };
}

const target = () => cluster.read(resources.deployments, namespace, 'cart');
const pods = async () => (await target()).spec as Pods;
const imageNow = async () => (await pods()).template.spec.containers[0]!.image;

const write = (tag: string, digest: string, more: { push?: Partial<ImagePush>; queued?: boolean } = {}) =>
  activities().writeImage(
    { namespace, name: 'cart' },
    { push: push(tag, more.push), digest, ...(more.queued ? { queued: true } : {}) },
  );

const writeNow = write;

async function events(): Promise<string[]> {
  const { items } = await cluster.kubernetes.list(resources.events, namespace);
  return items.map((item) => `${String(item.type)} ${String(item.message)}`);
}

const annotationsOf = async () => (await target()).metadata.annotations ?? {};
const missed = async () => (await metrics.getSingleMetric('serin_poll_found_missed_event_total')!.get()).values;

describe('writing an image', () => {
  it('takes over one field of somebody else’s Deployment, and leaves the others to them', async () => {
    await canary();
    await deployment(`${host}/shop/cart:1.4.0`);
    expect(await write('1.4.2', B)).toMatchObject({ outcome: 'written' });
    expect(await imageNow()).toBe(`${host}/shop/cart:1.4.2@${B}`);
    const ours = (await target()).metadata.managedFields!.find(({ manager }) => manager === 'serin-image');
    const fields = JSON.stringify((ours as unknown as { fieldsV1: object }).fieldsV1);
    expect(fields).toContain('f:image');
    expect(fields).not.toContain('side');
    // A second one lets go of nothing that the first one wrote.
    expect(await write('1.4.3', C)).toMatchObject({ outcome: 'written' });
    expect(await imageNow()).toBe(`${host}/shop/cart:1.4.3@${C}`);
  });

  it('changes every container of the same repository in one patch, init containers only if asked to', async () => {
    const image = `${host}/shop/cart:1.4.0`;
    const pod = {
      initContainers: [
        { name: 'migrate', image },
        { name: 'other', image },
      ],
    };
    const asked = [
      { container: 'cart', policy: 'semver:^1' },
      { container: 'migrate', kind: 'initContainer', policy: 'semver:^1' },
    ];
    await canary({ 'serin.dev/image-policies': JSON.stringify(asked) });
    await deployment(image, { pod });
    const generation = (await target()).metadata.generation!;
    expect(await write('1.4.2', B)).toMatchObject({
      outcome: 'written',
      images: { cart: expect.anything(), migrate: expect.anything() },
    });
    expect((await target()).metadata.generation).toBe(generation + 1);
    const { initContainers } = (await pods()).template.spec;
    expect(initContainers!.map(({ image }) => image)).toEqual([`${host}/shop/cart:1.4.2@${B}`, image]);
  });

  it('with the tag alone replaces pods by an annotation of the template, if asked to', async () => {
    await canary({
      ...policies({ policy: 'exact:prod' }),
      'serin.dev/image-pin': 'tag',
      'serin.dev/restart-on-digest-change': 'true',
    });
    await deployment(`${host}/shop/cart:prod`);
    const write = (tag: string, digest: string) => {
      stored.set(`shop/cart:${tag}`, digest);
      return writeNow(tag, digest);
    };
    expect(await write('prod', A)).toMatchObject({ outcome: 'written' });
    expect((await pods()).template.metadata.annotations).toEqual({ 'image.serin.dev/digests': `cart=${A}` });
    expect(await write('prod', A)).toMatchObject({ outcome: 'unchanged', reason: 'cart: same-digest' });
    expect(await write('prod', B)).toMatchObject({ outcome: 'written' });
    expect((await pods()).template.metadata.annotations).toEqual({ 'image.serin.dev/digests': `cart=${B}` });
    expect(await imageNow()).toBe(`${host}/shop/cart:prod`);
  });

  it('R6: a rollback by hand stands, until something higher comes', async () => {
    await canary();
    await deployment(`${host}/shop/cart:1.4.0`);
    await write('1.4.2', B);
    await deployment(`${host}/shop/cart:1.4.0`);
    expect(await write('1.4.2', B)).toMatchObject({ outcome: 'unchanged', reason: 'cart: older' });
    expect(await write('1.4.3', C)).toMatchObject({ outcome: 'written' });
  });

  it('R9: while images are suspended, or the Canary is, nothing is written', async () => {
    await canary({ ...policies(), 'serin.dev/image-suspend': 'true' });
    await deployment(`${host}/shop/cart:1.4.0`);
    expect(await write('1.4.2', B)).toMatchObject({ outcome: 'unchanged', reason: 'image updates are suspended' });
    await canary();
    await cluster.kubernetes.patch(resources.canaries, namespace, 'cart', { spec: { suspend: true } });
    expect(await write('1.4.2', B)).toMatchObject({ outcome: 'unchanged', reason: 'image updates are suspended' });
    expect(await imageNow()).toBe(`${host}/shop/cart:1.4.0`);
  });

  it('says nothing and does nothing where write-back is none', async () => {
    await canary({ ...policies(), 'serin.dev/image-write-back': 'none' });
    await deployment(`${host}/shop/cart:1.4.0`);
    expect(await write('1.4.2', B)).toEqual({ outcome: 'unchanged', reason: 'image-write-back is none' });
    expect(await events()).toEqual([]);
  });

  it('R10: what events say about the time decides nothing', async () => {
    await canary();
    await deployment(`${host}/shop/cart:1.4.0`);
    const at = (occurredAt: string) => ({ push: { occurredAt } });
    expect(await write('1.4.2', B, at('2031-01-01T00:00:00Z'))).toMatchObject({ outcome: 'written' });
    expect(await write('1.4.3', C, at('1999-01-01T00:00:00Z'))).toMatchObject({ outcome: 'written' });
    expect(await write('1.4.2', B, at('2035-01-01T00:00:00Z'))).toMatchObject({ reason: 'cart: older' });
  });
});

describe('R2: a mutable tag that moves between the question and the write', () => {
  it('is written as it is at the moment of writing, however late that is', async () => {
    await canary(policies({ policy: 'exact:prod' }));
    await deployment(`${host}/shop/cart:prod@${A}`);
    stored.set('shop/cart:prod', C);
    expect(await write('prod', C)).toMatchObject({ outcome: 'written' });
    // B was resolved before C was pushed, and could not be written until now.
    expect(await write('prod', B)).toMatchObject({ outcome: 'unchanged', reason: 'cart: same-digest' });
    expect(await imageNow()).toBe(`${host}/shop/cart:prod@${C}`);
  });

  it('is not written over by what was asked for before somebody else wrote it', async () => {
    await canary(policies({ policy: 'exact:prod' }));
    await deployment(`${host}/shop/cart:prod@${A}`);
    const late = activities([receiverFor()], {
      registries: {
        ...registries,
        async resolve() {
          stored.set('shop/cart:prod', C);
          await write('prod', C);
          return { digest: B };
        },
      },
    });
    const change = { push: push('prod'), digest: B };
    await expect(late.writeImage({ namespace, name: 'cart' }, change)).rejects.toMatchObject({ type: 'Conflict' });
    expect(await imageNow()).toBe(`${host}/shop/cart:prod@${C}`);
  });

  it('stays as it is once the tag is gone, or while the registry does not answer', async () => {
    await canary(policies({ policy: 'exact:prod' }));
    await deployment(`${host}/shop/cart:prod@${A}`);
    expect(await write('prod', B)).toMatchObject({ outcome: 'unchanged', reason: 'HEAD: HTTP 404' });
    const resolve = () => Promise.reject(failure('Unavailable', 'the registry is down'));
    const silent = activities([receiverFor()], { registries: { ...registries, resolve } });
    const bring = (more: Partial<ImagePush>) =>
      silent.writeImage({ namespace, name: 'cart' }, { push: push('prod', more), digest: B });
    await expect(bring({ digest: B })).rejects.toMatchObject({ type: 'Unavailable' });
    expect(await imageNow()).toBe(`${host}/shop/cart:prod@${A}`);
    // R7: unless the word of its sender counts.
    const signed = { digest: B, digestIsSigned: true, trust: 'signed' } as const;
    expect(await bring(signed)).toMatchObject({ outcome: 'written' });
  });
});

describe('tags of one build', () => {
  const generation = async () => (await target()).metadata.generation!;

  it('pushed at the same time are one change: the lower one waits for the event of the higher one', async () => {
    await canary();
    await deployment(`${host}/shop/cart:1.4.0`);
    const before = await generation();
    stored.set('shop/cart:1.4.1', B).set('shop/cart:1.4.2', C);
    const waits = { outcome: 'queued', reason: expect.stringContaining('1.4.2 of the same repository') };
    expect(await write('1.4.1', B, { push: { actor: 'bob' } })).toEqual(waits);
    expect(await write('1.4.2', C, { push: { actor: 'ada' } })).toMatchObject({ outcome: 'written' });
    expect(await write('1.4.1', B, { queued: true })).toMatchObject({ outcome: 'unchanged', reason: 'cart: older' });
    expect(await generation()).toBe(before + 1);
    expect((await annotationsOf())['serin.dev/author']).toBe('ada');
  });

  it('of which the higher one has no event are one change all the same, and nobody’s', async () => {
    await canary();
    await deployment(`${host}/shop/cart:1.4.0`);
    const before = await generation();
    stored.set('shop/cart:1.4.1', B).set('shop/cart:1.4.2', C);
    const bob = { eventId: 'one', actor: 'bob' };
    await write('1.4.1', B, { push: bob });
    expect(await write('1.4.1', B, { push: bob, queued: true })).toMatchObject({ outcome: 'written' });
    expect([await imageNow(), await generation()]).toEqual([`${host}/shop/cart:1.4.2@${C}`, before + 1]);
    expect(await annotationsOf()).not.toHaveProperty(['serin.dev/author']);
    // An answer that was lost on its way.
    expect(await write('1.4.1', B, { push: bob, queued: true })).toMatchObject({ outcome: 'written' });
    expect(await generation()).toBe(before + 1);
  });

  it('that several containers follow are one change, whichever is told first', async () => {
    const asked = [
      { container: 'cart', policy: 'semver:^1' },
      { container: 'side', policy: 'exact:edge' },
    ];
    await canary({ 'serin.dev/image-policies': JSON.stringify(asked) });
    const image = `${host}/shop/cart`;
    const containers = [
      { name: 'cart', image: `${image}:1.4.0` },
      { name: 'side', image: `${image}:edge@${A}` },
    ];
    await deployment(image, { pod: { containers } });
    const before = await generation();
    stored.set('shop/cart:1.4.2', B).set('shop/cart:edge', C);
    expect(await write('1.4.2', B)).toMatchObject({ outcome: 'queued' });
    expect(await write('edge', C)).toMatchObject({ outcome: 'queued' });
    expect(await write('1.4.2', B, { queued: true })).toMatchObject({ outcome: 'written' });
    expect(await write('edge', C, { queued: true })).toMatchObject({ outcome: 'unchanged' });
    expect(await generation()).toBe(before + 1);
    expect((await pods()).template.spec.containers.map((one) => one.image)).toEqual([
      `${image}:1.4.2@${B}`,
      `${image}:edge@${C}`,
    ]);
  });

  it('wait for the end of a release as well, if people want that', async () => {
    await canary({ ...policies(), 'serin.dev/image-during-release': 'queueLatest' });
    await deployment(`${host}/shop/cart:1.4.0`);
    stored.set('shop/cart:1.4.1', B).set('shop/cart:1.4.2', C);
    expect(await write('1.4.1', B)).toMatchObject({ outcome: 'queued' });
    await inPhase('Progressing');
    expect(await write('1.4.1', B, { queued: true })).toMatchObject({ reason: 'a release is in progress' });
    await inPhase('Succeeded');
    expect(await write('1.4.1', B, { queued: true })).toMatchObject({ outcome: 'written' });
    expect(await imageNow()).toBe(`${host}/shop/cart:1.4.2@${C}`);
  });

  it('are no reason to wait where the registry does not list them, or not in time', async () => {
    await canary();
    await deployment(`${host}/shop/cart:1.4.0`);
    for (const tags of [
      () => Promise.resolve(undefined),
      () => Promise.reject(failure('Unavailable', 'HTTP 500')),
      () => new Promise<undefined>(() => undefined),
    ] as const) {
      const { writeImage } = activities([receiverFor()], { registries: { ...registries, tags } });
      const tag = `1.4.${(pushes += 1)}`;
      stored.set(`shop/cart:${tag}`, B).set('shop/cart:1.9.0', C);
      const change = { push: push(tag), digest: `sha256:${String(pushes % 10).repeat(64)}` };
      expect(await writeImage({ namespace, name: 'cart' }, change)).toMatchObject({ outcome: 'written' });
    }
  });
});

describe('R5: a newer image while a release is in progress', () => {
  const during = (choice: string) => ({ ...policies(), 'serin.dev/image-during-release': choice });

  it('begins the release again, if nothing else is said', async () => {
    await canary(policies(), 'Progressing');
    await deployment(`${host}/shop/cart:1.4.0`);
    expect(await write('1.4.2', B)).toMatchObject({ outcome: 'written' });
  });

  it('waits for its end, and only the highest of several does', async () => {
    await canary(during('queueLatest'), 'Progressing');
    await deployment(`${host}/shop/cart:1.4.0`);
    const before = await pods();
    expect(await write('1.4.2', B)).toMatchObject({ outcome: 'queued' });
    expect(await write('1.4.3', C)).toMatchObject({ outcome: 'queued' });
    expect(await write('1.4.1', A)).toMatchObject({ outcome: 'unchanged', reason: expect.stringContaining('higher') });
    expect(await write('1.4.2', B, { queued: true })).toMatchObject({
      outcome: 'unchanged',
      reason: expect.stringContaining('newer'),
    });
    expect(await write('1.4.3', C, { queued: true })).toMatchObject({ outcome: 'queued' });
    expect(await pods()).toEqual(before);
    await inPhase('Succeeded');
    expect(await write('1.4.3', C, { queued: true })).toMatchObject({ outcome: 'written' });
    expect(await annotationsOf()).not.toHaveProperty(['serin.dev/pending-images']);
    expect(await imageNow()).toBe(`${host}/shop/cart:1.4.3@${C}`);
  });

  it('of a mutable tag that moved on while it waited is written as the tag is then, and the older one never', async () => {
    await canary({ ...during('queueLatest'), ...policies({ policy: 'exact:prod' }) }, 'Progressing');
    await deployment(`${host}/shop/cart:prod@${A}`);
    stored.set('shop/cart:prod', B);
    expect(await write('prod', B)).toMatchObject({ outcome: 'queued' });
    stored.set('shop/cart:prod', C);
    expect(await write('prod', C)).toMatchObject({ outcome: 'queued' });
    await inPhase('Succeeded');
    // The one that waits for longer looks first.
    expect(await write('prod', B, { queued: true })).toMatchObject({ outcome: 'written' });
    expect(await imageNow()).toBe(`${host}/shop/cart:prod@${C}`);
    expect(await write('prod', C, { queued: true })).toMatchObject({ reason: 'cart: same-digest' });
  });

  it('is left out for good, if so asked', async () => {
    await canary(during('ignore'), 'Progressing');
    await deployment(`${host}/shop/cart:1.4.0`);
    expect(await write('1.4.2', B)).toMatchObject({ outcome: 'unchanged', reason: 'a release is in progress' });
    await inPhase('Succeeded');
    stored.set('shop/cart:1.4.2', B);
    const found = await activities().seekImages({ namespace, name: 'cart' }, { container: 'cart' });
    expect(found).toEqual({ changes: [], reason: 'cart: older' });
    expect(await write('1.4.3', C)).toMatchObject({ outcome: 'written' });
  });
});

describe('an image that a GitOps tool owns', () => {
  const flux = { 'kustomize.toolkit.fluxcd.io/name': 'apps', 'kustomize.toolkit.fluxcd.io/namespace': '' };
  const owned = (): Written => ({
    manager: 'kustomize-controller',
    labels: { ...flux, 'kustomize.toolkit.fluxcd.io/namespace': namespace },
  });
  const of = (kind: string, plural: string, apiVersion: string): Resource => ({ kind, plural, apiVersion });
  const kustomizations = of('Kustomization', 'kustomizations', 'kustomize.toolkit.fluxcd.io/v1');
  const helmReleases = of('HelmRelease', 'helmreleases', 'helm.toolkit.fluxcd.io/v2');
  const applications = of('Application', 'applications', 'argoproj.io/v1alpha1');
  const make = ({ apiVersion, kind, plural }: Resource, name: string) =>
    cluster.kubernetes.create({ apiVersion, kind, plural }, { apiVersion, kind, metadata: { name, namespace } });

  it('is not written: its Kustomization is told to look, and people are told that', async () => {
    await canary();
    await make(kustomizations, 'apps');
    await deployment(`${host}/shop/cart:1.4.0`, owned());
    const told = await write('1.4.2', B, { push: { eventId: 'one' } });
    expect(told).toEqual({
      outcome: 'notified',
      reason: expect.stringMatching(/belongs to kustomize-controller; told Kustomization .*\/apps/),
    });
    expect(await imageNow()).toBe(`${host}/shop/cart:1.4.0`);
    const { metadata } = await cluster.read(kustomizations, namespace, 'apps');
    expect(metadata.annotations).toEqual({ 'reconcile.fluxcd.io/requestedAt': 'prod/one' });
    expect(await events()).toEqual([
      expect.stringMatching(/^Normal New image .*1\.4\.2 pushed: the image of Deployment cart belongs/),
    ]);
    // What a poll found is counted once, however often it finds that its owner has not changed it yet.
    const poll = { source: 'poll', eventId: 'found' } as const;
    for (let n = 0; n < 2; n += 1)
      expect(await write('1.4.3', C, { push: poll })).toMatchObject({ outcome: 'notified' });
    expect(await missed()).toEqual([expect.objectContaining({ value: 1, labels: { receiver: 'prod' } })]);
    await write('1.4.2', B, { push: { eventId: 'one' } });
    const { resourceVersion } = (await cluster.read(kustomizations, namespace, 'apps')).metadata;
    // Told twice, it is asked once.
    await write('1.4.2', B, { push: { eventId: 'one' } });
    expect((await cluster.read(kustomizations, namespace, 'apps')).metadata.resourceVersion).toBe(resourceVersion);
  });

  it('with Flux, its source and what looks for new images of the repository are told first', async () => {
    const repositories = of('ImageRepository', 'imagerepositories', 'image.toolkit.fluxcd.io/v1');
    const gitRepositories = of('GitRepository', 'gitrepositories', 'source.toolkit.fluxcd.io/v1');
    const create = ({ apiVersion, kind, plural }: Resource, name: string, spec: object) =>
      cluster.kubernetes.create(
        { apiVersion, kind, plural },
        {
          apiVersion,
          kind,
          metadata: { name, namespace },
          spec,
        },
      );
    await create(gitRepositories, 'flux-system', {});
    await create(kustomizations, 'apps', { sourceRef: { kind: 'GitRepository', name: 'flux-system' } });
    // Names are one cluster's: the repository is this test's alone.
    const repository = `shop/${namespace}`;
    await create(repositories, 'cart', { image: `${host}/${repository}` });
    await create(repositories, 'other', { image: `${host}/shop/other` });
    await canary();
    await deployment(`${host}/${repository}:1.4.0`, owned());
    expect(await write('1.4.2', B, { push: { repository, eventId: 'two' } })).toEqual({
      outcome: 'notified',
      reason: expect.stringMatching(
        /told ImageRepository .*\/cart and GitRepository .*\/flux-system and Kustomization .*\/apps to look/,
      ),
    });
    const asked = async (resource: Resource, name: string) =>
      (await cluster.read(resource, namespace, name)).metadata.annotations?.['reconcile.fluxcd.io/requestedAt'];
    expect(await asked(gitRepositories, 'flux-system')).toBe('prod/two');
    expect(await asked(repositories, 'cart')).toBe('prod/two');
    expect(await asked(repositories, 'other')).toBeUndefined();
  });

  it('of a HelmRelease, or of an Application of Argo CD, is told to that', async () => {
    await canary();
    await make(helmReleases, 'cart');
    const labels = { 'helm.toolkit.fluxcd.io/name': 'cart', 'helm.toolkit.fluxcd.io/namespace': namespace };
    await deployment(`${host}/shop/cart:1.4.0`, { manager: 'helm-controller', labels });
    expect(await write('1.4.2', B)).toMatchObject({ outcome: 'notified' });
    expect((await cluster.read(helmReleases, namespace, 'cart')).metadata.annotations).toHaveProperty([
      'reconcile.fluxcd.io/requestedAt',
    ]);
    await cluster.kubernetes.remove(resources.deployments, namespace, 'cart');
    await make(applications, 'shop');
    const annotations = { 'argocd.argoproj.io/tracking-id': `shop:apps/Deployment:${namespace}/cart` };
    await deployment(`${host}/shop/cart:1.4.0`, { manager: 'argocd-controller', annotations });
    expect(await write('1.4.3', C)).toMatchObject({ outcome: 'notified' });
    expect((await cluster.read(applications, namespace, 'shop')).metadata.annotations).toEqual({
      'argocd.argoproj.io/refresh': 'normal',
    });
  });

  it('whose owner cannot be told is refused, with what to do', async () => {
    await canary();
    await deployment(`${host}/shop/cart:1.4.0`, owned());
    expect(await write('1.4.2', B)).toEqual({
      outcome: 'refused',
      reason: expect.stringMatching(/apps could not be told: it does not exist/),
    });
    await cluster.kubernetes.remove(resources.deployments, namespace, 'cart');
    await deployment(`${host}/shop/cart:1.4.0`, { manager: 'helm-controller' });
    expect(await write('1.4.2', B)).toEqual({
      outcome: 'refused',
      reason: expect.stringMatching(/nothing on it says by which object/),
    });
    await canary({ ...policies(), 'serin.dev/image-write-back': 'notify' });
    await cluster.kubernetes.remove(resources.deployments, namespace, 'cart');
    await deployment(`${host}/shop/cart:1.4.0`);
    expect(await write('1.4.2', B)).toEqual({
      outcome: 'refused',
      reason: expect.stringMatching(/no GitOps tool owns/),
    });
  });

  const putBack = () => deployment(`${host}/shop/cart:1.4.0`, owned());

  it('that is put back after we wrote it is not fought over, until the policy changes', async () => {
    await cluster.apply(namespace, imageTrigger({ writeBack: { mode: 'cluster' } }));
    await canary({});
    await putBack();
    expect(await write('1.4.2', B)).toMatchObject({ outcome: 'written' });
    await putBack();
    const refused: ImageWritten = await write('1.4.3', C);
    expect(refused).toEqual({
      outcome: 'refused',
      reason: expect.stringMatching(/^kustomize-controller put the image of Deployment cart back; .*ssa: IfNotPresent/),
    });
    expect(await imageNow()).toBe(`${host}/shop/cart:1.4.0`);
    const condition = async () => {
      const { status } = await cluster.read(resources.imageTriggers, namespace, 'cart');
      return (status as { conditions: { type: string; status: string }[] }).conditions[0];
    };
    expect(await condition()).toMatchObject({ type: 'GitOpsConflict', status: 'True' });
    // It stands, however much time goes by, and a poll tells it as well.
    now = new Date(Date.now() + 3_600_000);
    expect(await write('1.4.4', C)).toMatchObject({ outcome: 'refused' });
    stored.set('shop/cart:1.4.4', C);
    const sought = await activities().seekImages({ namespace, name: 'cart' }, { container: 'cart' });
    expect(sought).toEqual({ changes: [], reason: expect.stringContaining('put the image') });
    expect(await events()).toContainEqual(
      expect.stringMatching(/^Warning Images are not applied: kustomize-controller put/),
    );
    await cluster.apply(namespace, imageTrigger({ writeBack: { mode: 'cluster' } }, '>=1.0'));
    now = new Date();
    expect(await write('1.4.4', C)).toMatchObject({ outcome: 'written' });
    expect(await condition()).toMatchObject({ type: 'GitOpsConflict', status: 'False' });
  });

  it('nor until the pod template changes', async () => {
    await canary({ ...policies(), 'serin.dev/image-write-back': 'cluster' });
    await putBack();
    await write('1.4.2', B);
    await putBack();
    expect(await write('1.4.3', C)).toMatchObject({ outcome: 'refused' });
    await deployment(`${host}/shop/cart:1.4.0`, { ...owned(), pod: { terminationGracePeriodSeconds: 7 } });
    expect(await write('1.4.3', C)).toMatchObject({ outcome: 'written' });
  });

  it('that somebody else changes back, or changes long after, is no conflict', async () => {
    await canary({ ...policies(), 'serin.dev/image-write-back': 'cluster' });
    await deployment(`${host}/shop/cart:1.4.0`);
    await write('1.4.2', B);
    await deployment(`${host}/shop/cart:1.4.0`);
    expect(await write('1.4.3', C)).toMatchObject({ outcome: 'written' });
    await cluster.kubernetes.remove(resources.deployments, namespace, 'cart');
    await putBack();
    now = new Date(Date.now() - 3_600_000);
    await write('1.4.2', B);
    await putBack();
    expect(await write('1.4.3', C)).toMatchObject({ outcome: 'written' });
  });
});

function imageTrigger(spec: object = {}, range = '^1', name = 'cart'): KubernetesObject {
  return {
    apiVersion: 'serin.dev/v1alpha1',
    kind: 'ImageTrigger',
    metadata: { name, namespace },
    spec: {
      canaryRef: { name: 'cart' },
      receivers: ['prod'],
      images: [{ container: 'cart', policy: { semver: { range } } }],
      ...spec,
    },
  };
}

describe('an ImageTrigger', () => {
  const followed = async (receivers = [receiverFor()]) =>
    (await activities(receivers).findTargets(push('1.4.2'))).map(({ name }) => name);

  it('binds a Canary without annotations, with the consent of both sides', async () => {
    await canary({});
    await deployment(`${host}/shop/cart:1.4.0`);
    expect(await followed()).toEqual([]);
    await cluster.apply(namespace, imageTrigger());
    expect(await followed()).toEqual(['cart']);
    expect(await followed([receiverFor({ namespaces: ['elsewhere'] })])).toEqual([]);
    expect(await followed([receiverFor({ retired: true })])).toEqual([]);
    await cluster.apply(namespace, imageTrigger({ receivers: ['other'] }));
    expect(await followed()).toEqual([]);
    expect(await write('1.4.2', B)).toMatchObject({
      outcome: 'unchanged',
      reason: 'no container follows this repository',
    });
  });

  it('wins over annotations, may forbid them, and there is one for a Canary', async () => {
    await canary(policies({ policy: 'semver:^2' }));
    await deployment(`${host}/shop/cart:1.4.0`);
    await cluster.apply(namespace, imageTrigger());
    expect(await write('1.4.2', B)).toMatchObject({ outcome: 'written' });
    await cluster.apply(namespace, imageTrigger({}, '^1', 'second'));
    expect(await write('1.4.3', C)).toEqual({
      outcome: 'refused',
      reason: expect.stringMatching(/cart and second both name/),
    });
    await cluster.kubernetes.remove(resources.imageTriggers, namespace, 'second');
    await cluster.apply(namespace, imageTrigger({ canaryRef: { name: 'other' }, forbidAnnotations: true }));
    expect(await write('2.0.0', C)).toEqual({
      outcome: 'refused',
      reason: expect.stringMatching(/forbids serin.dev\/image-policies/),
    });
  });

  it('may name the only repository that counts, by any name of its registry', async () => {
    await canary({});
    await deployment('acme-registry-vpc.cn-hangzhou.cr.aliyuncs.com/shop/cart:1.4.0');
    const of = (repository: string) =>
      imageTrigger({ images: [{ container: 'cart', repository, policy: { semver: { range: '^1' } } }] });
    const receivers = [receiverFor({ host: 'acme-registry.cn-hangzhou.cr.aliyuncs.com' })];
    await cluster.apply(namespace, of('acme-registry.cn-hangzhou.cr.aliyuncs.com/shop/cart'));
    expect(await followed(receivers)).toEqual(['cart']);
    const change = { push: push('1.4.2', { host: receivers[0]!.host }), digest: B };
    await activities(receivers).writeImage({ namespace, name: 'cart' }, change);
    expect(await imageNow()).toBe(`acme-registry-vpc.cn-hangzhou.cr.aliyuncs.com/shop/cart:1.4.2@${B}`);
    await cluster.apply(namespace, of('acme-registry.cn-hangzhou.cr.aliyuncs.com/shop/other'));
    expect(await followed(receivers)).toEqual([]);
  });

  it.each([
    ['two policies', { images: [{ container: 'cart', policy: { exact: { tag: 'a' }, semver: { range: '^1' } } }] }],
    ['no policy', { images: [{ container: 'cart', policy: {} }] }],
    ['no receiver', { receivers: [] }],
    ['a pin that is none', { pin: 'sha' }],
    ['a mode that is not built', { writeBack: { mode: 'git' } }],
    ['a sort that is none', { images: [{ container: 'cart', policy: { glob: { pattern: 'v*', sort: 'newest' } } }] }],
  ])('with %s is refused by the API server', async (_, spec) => {
    await expect(cluster.apply(namespace, imageTrigger(spec))).rejects.toMatchObject({ type: 'InvalidSpec' });
  });

  it('whose pattern only we can judge is told on the Canary', async () => {
    await canary({});
    await deployment(`${host}/shop/cart:1.4.0`);
    const policy = { numerical: { pattern: '^(?=x)' } };
    await cluster.apply(namespace, imageTrigger({ images: [{ container: 'cart', policy }] }));
    expect(await write('1.4.2', B)).toEqual({
      outcome: 'refused',
      reason: expect.stringMatching(/^ImageTrigger cart, container cart: .*RE2/),
    });
    expect(await events()).toEqual([expect.stringMatching(/^Warning New image/)]);
  });
});

describe('looking into the registry', () => {
  const seek = () => activities().seekImages({ namespace, name: 'cart' }, { container: 'cart' });

  it('finds by the same functions what no event told of, and counts it once it is written', async () => {
    await canary();
    await deployment(`${host}/shop/cart:1.4.0`);
    for (const [tag, digest] of [
      ['1.4.0', A],
      ['1.4.2', B],
      ['1.5.0', C],
      ['2.0.0', A],
      ['latest', A],
    ] as const)
      stored.set(`shop/cart:${tag}`, digest);
    const { changes } = await seek();
    expect(changes).toEqual([
      { digest: C, push: expect.objectContaining({ source: 'poll', tag: '1.5.0', receiver: 'prod' }) },
    ]);
    expect(await activities().writeImage({ namespace, name: 'cart' }, changes[0]!)).toMatchObject({
      outcome: 'written',
    });
    expect(await missed()).toEqual([expect.objectContaining({ value: 1, labels: { receiver: 'prod' } })]);
    expect(await seek()).toEqual({ changes: [], reason: 'cart: older' });
  });

  it('takes what a mutable tag points to at first for what runs, and replaces pods only once it moves', async () => {
    await canary(policies({ policy: 'exact:prod' }));
    await deployment(`${host}/shop/cart:prod`);
    const ref = { namespace, name: 'cart' };
    stored.set('shop/cart:prod', A);
    const [first] = (await seek()).changes;
    expect(first).toMatchObject({ baseline: true, digest: A });
    expect(await activities().writeImage(ref, first!)).toMatchObject({ outcome: 'unchanged' });
    expect(await imageNow()).toBe(`${host}/shop/cart:prod`);
    expect(await seek()).toEqual({ changes: [], reason: 'cart: same-digest' });
    stored.set('shop/cart:prod', B);
    const [second] = (await seek()).changes;
    expect(second).not.toHaveProperty('baseline');
    expect(await activities().writeImage(ref, second!)).toMatchObject({ outcome: 'written' });
    expect(await imageNow()).toBe(`${host}/shop/cart:prod@${B}`);
    expect(await missed()).toEqual([expect.objectContaining({ value: 1 })]);
  });

  it('an event that comes after the poll has written it changes nothing: both know it by what it is', async () => {
    await canary();
    await deployment(`${host}/shop/cart:1.4.0`);
    stored.set('shop/cart:1.4.2', B);
    const [change] = (await seek()).changes;
    await activities().writeImage({ namespace, name: 'cart' }, change!);
    expect(await write('1.4.2', B)).toMatchObject({ outcome: 'unchanged', reason: 'cart: older' });
  });

  it('R4: leaves a digest alone that failed before', async () => {
    await canary();
    await deployment(`${host}/shop/cart:1.4.0@${A}`);
    await deployment(`${host}/shop/cart:1.4.0@${A}`, { name: 'cart-primary' });
    await write('1.4.2', B);
    await inPhase('Failed');
    stored.set('shop/cart:1.4.3', B);
    expect(await seek()).toEqual({ changes: [], reason: 'cart: failed-before' });
  });

  it.each(['a look that finds nothing', 'an event that brings nothing'])(
    'R4: after %s, it is left alone also once something else has been released',
    async (how) => {
      await canary(policies({ policy: 'exact:prod' }));
      await deployment(`${host}/shop/cart:prod@${A}`);
      await deployment(`${host}/shop/cart:prod@${A}`, { name: 'cart-primary' });
      const moved = (digest: string) => {
        stored.set('shop/cart:prod', digest);
        return write('prod', digest);
      };
      expect(await moved(B)).toMatchObject({ outcome: 'written' });
      await inPhase('Failed');
      if (how.startsWith('a look')) expect(await seek()).toEqual({ changes: [], reason: 'cart: same-digest' });
      else expect(await moved(B)).toMatchObject({ outcome: 'unchanged', reason: 'cart: same-digest' });
      // It is written down once.
      const { resourceVersion } = (await target()).metadata;
      await seek();
      await moved(B);
      expect((await target()).metadata.resourceVersion).toBe(resourceVersion);
      await deployment(`${host}/shop/cart:prod@${A}`, { pod: { terminationGracePeriodSeconds: 7 } });
      await inPhase('Succeeded');
      expect(await moved(C)).toMatchObject({ outcome: 'written' });
      expect(await moved(B)).toMatchObject({ outcome: 'unchanged', reason: 'cart: failed-before' });
    },
  );

  it('R4: what has only just been written has not failed, though the status still tells of the one before', async () => {
    await canary(policies({ policy: 'exact:prod' }));
    await deployment(`${host}/shop/cart:prod@${A}`);
    stored.set('shop/cart:prod', B);
    await write('prod', B);
    const { template } = await pods();
    const status = { phase: 'Failed', lastAppliedSpec: revisionOf(template) };
    await cluster.kubernetes.patch(resources.canaries, namespace, 'cart', { status }, 'status');
    stored.set('shop/cart:prod', C);
    await write('prod', C);
    await seek();
    expect((await annotationsOf())['serin.dev/failed-images']).toContain(B);
    expect((await annotationsOf())['serin.dev/failed-images']).not.toContain(C);
  });

  it('R8: the digest of a mutable tag that was deleted is told, once it is gone as well', async () => {
    await canary(policies({ policy: 'exact:prod' }));
    await deployment(`${host}/shop/cart:prod@${A}`);
    expect(await seek()).toEqual({ changes: [], reason: 'cart: HEAD: HTTP 404' });
    expect(await events()).toEqual([expect.stringMatching(/^Warning .*@sha256:a+ is not in the registry any more/)]);
    expect(await imageNow()).toBe(`${host}/shop/cart:prod@${A}`);
    // A tag that is gone while its digest is still there troubles nobody.
    stored.set(`shop/cart:${A}`, A);
    expect(await seek()).toMatchObject({ changes: [] });
    expect(await events()).toHaveLength(1);
  });

  it('begins anew with a container that has moved to another repository', async () => {
    await canary();
    await deployment(`${host}/shop/cart:1.4.0`);
    await write('1.9.0', B);
    await deployment(`${host}/shop/other:0.1.0`);
    const other = { push: { repository: 'shop/other' } };
    expect(await write('1.0.0', C, other)).toMatchObject({ outcome: 'written' });
    expect(await imageNow()).toBe(`${host}/shop/other:1.0.0@${C}`);
    expect(await write('0.9.0', A, other)).toMatchObject({ outcome: 'unchanged', reason: 'cart: no-match' });
  });

  it('believes what an earlier version remembered, which did not say of which repository', async () => {
    await canary();
    const desired = JSON.stringify({ cart: { tag: '1.9.0', digest: B } });
    await deployment(`${host}/shop/cart:1.4.0`, { annotations: { 'serin.dev/desired-images': desired } });
    expect(await write('1.5.0', C)).toMatchObject({ outcome: 'unchanged', reason: 'cart: older' });
  });

  it('leaves a bare digest alone that a person set after something had been written', async () => {
    await canary();
    await deployment(`${host}/shop/cart:1.4.0`);
    await write('1.4.2', B);
    await deployment(`${host}/shop/cart@${C}`);
    expect(await write('1.4.3', A)).toMatchObject({ outcome: 'unchanged', reason: 'cart: pinned' });
    stored.set('shop/cart:1.4.3', A);
    expect(await seek()).toEqual({ changes: [], reason: 'cart: pinned' });
  });

  it('R8: a digest in use that is gone from the registry is told, and changes nothing', async () => {
    await canary();
    await deployment(`${host}/shop/cart:1.4.0@${A}`);
    expect(await seek()).toEqual({ changes: [], reason: 'cart: no-match' });
    expect(await events()).toEqual([expect.stringMatching(/^Warning .*@sha256:a+ is not in the registry any more/)]);
    expect(await imageNow()).toBe(`${host}/shop/cart:1.4.0@${A}`);
  });

  it('a push that names one tag of several finds the one that the policy wants', async () => {
    await canary();
    await deployment(`${host}/shop/cart:1.4.0`);
    stored.set('shop/cart:1.4.2', B).set('shop/cart:latest', B);
    const pushed = push('latest', { oneOfMany: true, source: 'ghcr' });
    const { changes } = await activities().seekImages({ namespace, name: 'cart' }, { push: pushed });
    expect(changes).toEqual([{ digest: B, push: expect.objectContaining({ source: 'ghcr', tag: '1.4.2' }) }]);
  });

  it('asks with the pull secrets of the pods, or of their service account, where the receiver has no credentials', async () => {
    const wanted = `Basic ${Buffer.from('puller:s3cret').toString('base64')}`;
    const server = await startServer(({ method, url, headers }): Reply => {
      if (headers.authorization !== wanted) return { status: 401, headers: { 'www-authenticate': 'Basic realm="r"' } };
      if (url.includes('/tags/list')) return { body: JSON.stringify({ tags: ['1.4.2'] }) };
      return { status: method === 'HEAD' ? 200 : 405, headers: { 'docker-content-digest': B } };
    });
    const auth = Buffer.from('puller:s3cret').toString('base64');
    const wrong = { username: 'somebody', password: 'else' };
    // The most special one is tried first, and is not the last one that is tried.
    const auths = {
      ...{ 'https://index.docker.io/v1/': { auth: 'eDp5' }, [`https://${host}`]: { auth } },
      ...{ [`${host}/shop`]: wrong, [`${host}/elsewhere`]: { auth: 'eDp5' } },
    };
    const config = Buffer.from(JSON.stringify({ auths })).toString('base64');
    await cluster.apply(namespace, {
      ...{ apiVersion: 'v1', kind: 'Secret', metadata: { name: 'pull' }, type: 'kubernetes.io/dockerconfigjson' },
      data: { '.dockerconfigjson': config },
    });
    const receiver = receiverFor({ registry: { url: server.url, authHosts: [], private: true } });
    const real = () => activities([receiver], {});
    await canary();
    await deployment(`${host}/shop/cart:1.4.0`);
    expect(await real().resolveImage(push('1.4.2'))).toMatchObject({ denied: true });
    const pullers = { imagePullSecrets: [{ name: 'absent' }, { name: 'pull' }] };
    await cluster.kubernetes.create(resources.serviceAccounts, {
      ...{ apiVersion: 'v1', kind: 'ServiceAccount', metadata: { name: 'default', namespace } },
      ...pullers,
    });
    expect(await real().resolveImage(push('1.4.2'))).toEqual({ digest: B });
    await cluster.kubernetes.remove(resources.serviceAccounts, namespace, 'default');
    await deployment(`${host}/shop/cart:1.4.0`, { pod: pullers });
    expect(await real().resolveImage(push('1.4.2'))).toEqual({ digest: B });
    const { changes } = await real().seekImages({ namespace, name: 'cart' }, { container: 'cart' });
    expect(changes).toEqual([{ digest: B, push: expect.objectContaining({ tag: '1.4.2' }) }]);
    // The registry's own name decides whose credentials are shown.
    expect(server.requests.filter(({ headers }) => headers.authorization === 'Basic eDp5')).toEqual([]);
  });
});
