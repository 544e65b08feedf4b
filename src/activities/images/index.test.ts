import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { memoryKubernetes, type MemoryKubernetes } from '../../../test/support/memory-kubernetes.ts';
import type { KubernetesObject, ManagedFields } from '../../clients/kubernetes.ts';
import { failure } from '../../errors.ts';
import type { RegistryBinding } from '../../images/binding.ts';
import type { Registries } from '../../images/registry.ts';
import type { ImagePush } from '../../workflows/image-push.ts';
import { createImageActivities } from './index.ts';

const A = `sha256:${'a'.repeat(64)}`;
const B = `sha256:${'b'.repeat(64)}`;
const C = `sha256:${'c'.repeat(64)}`;
const ref = { namespace: 'shop', name: 'cart' };

const receiver: RegistryBinding = {
  name: 'prod',
  host: 'registry.example.com',
  hostAliases: ['registry.internal:5000'],
  repositories: ['shop/*'],
  namespaces: ['shop', 'store'],
  settleMs: 0,
  registry: { url: 'http://127.0.0.1:1', authHosts: [], private: true },
};

const push = (tag: string, more: Partial<ImagePush> = {}): ImagePush => ({
  receiver: 'prod',
  source: 'distribution',
  eventId: `event-${tag}`,
  host: 'registry.example.com',
  repository: 'shop/cart',
  tag,
  ...more,
});

const policies = (policy = 'semver:^1') => ({
  'serin.dev/image-policies': JSON.stringify([{ container: 'cart', policy }]),
});

const canary = (
  more: { annotations?: object; namespace?: string; name?: string; phase?: string; spec?: object } = {},
) => ({
  apiVersion: 'flagger.app/v1beta1',
  kind: 'Canary',
  metadata: { ...ref, uid: 'uid-cart', annotations: policies(), ...withoutUndefined(more) },
  spec: { targetRef: { apiVersion: 'apps/v1', kind: 'Deployment', name: 'cart' }, ...more.spec },
  status: { phase: more.phase ?? 'Initialized' },
});

const deployment = (image: string, more: { metadata?: object; name?: string; namespace?: string } = {}) => ({
  apiVersion: 'apps/v1',
  kind: 'Deployment',
  metadata: { namespace: more.namespace ?? 'shop', name: more.name ?? 'cart', ...more.metadata },
  spec: {
    template: {
      spec: {
        containers: [
          { name: 'cart', image, env: [{ name: 'A', value: '1' }] },
          { name: 'side', image: 'side:1' },
        ],
      },
    },
  },
});

function withoutUndefined({
  annotations,
  namespace,
  name,
}: {
  annotations?: object;
  namespace?: string;
  name?: string;
}) {
  return { ...(annotations ? { annotations } : {}), ...(namespace ? { namespace } : {}), ...(name ? { name } : {}) };
}

/** The memory server, with server-side apply's rules for containers: merged by name, and refused on another version. */
function cluster(...objects: object[]): MemoryKubernetes & { applied: object[] } {
  const memory = memoryKubernetes(...objects);
  const applied: object[] = [];
  return {
    ...memory,
    applied,
    apply(resource, object, manager, force) {
      const wanted = object as KubernetesObject & { spec: { template: { spec: { containers: { name: string }[] } } } };
      const found = memory.peek(wanted.kind, wanted.metadata.name, wanted.metadata.namespace) as typeof wanted;
      if (found.metadata.resourceVersion !== wanted.metadata.resourceVersion)
        return Promise.reject(failure('Conflict', 'the object has been modified'));
      applied.push({ ...wanted, manager, force });
      const containers = found.spec.template.spec.containers.map((container) => ({
        ...container,
        ...wanted.spec.template.spec.containers.find(({ name }) => name === container.name),
      }));
      return memory.apply(resource, { ...wanted, spec: { template: { spec: { containers } } } }, manager, force);
    },
  };
}

const activities = (kubernetes: MemoryKubernetes, receivers = [receiver], registries?: Registries) =>
  createImageActivities({ kubernetes, receivers, settings: { namespace: '' }, ...(registries ? { registries } : {}) });

/** A registry in which every tag points to one digest, and which does not list them. */
const showing = (digest: string): Registries => ({
  resolve: () => Promise.resolve({ digest }),
  tags: () => Promise.resolve(undefined),
});

function imageIn(kubernetes: MemoryKubernetes, name = 'cart') {
  const spec = kubernetes.peek('Deployment', name)!.spec as ReturnType<typeof deployment>['spec'];
  return spec.template.spec.containers[0]!.image;
}

const eventsIn = async (kubernetes: MemoryKubernetes) =>
  (await kubernetes.list({ apiVersion: 'v1', kind: 'Event', plural: 'events' }, 'shop')).items.map(
    ({ type, message }) => `${String(type)} ${String(message)}`,
  );

describe('writing a pushed image', () => {
  it('changes the image of a DaemonSet just as well', async () => {
    const daemonSet = { ...deployment('registry.example.com/shop/cart:1.0.0'), kind: 'DaemonSet' };
    const spec = { targetRef: { apiVersion: 'apps/v1', kind: 'DaemonSet', name: 'cart' } };
    const kubernetes = cluster(canary({ spec }), daemonSet);
    const change = { push: push('1.1.0'), digest: B };
    expect(await activities(kubernetes).findTargets(change.push)).toEqual([ref]);
    expect(await activities(kubernetes).writeImage(ref, change)).toMatchObject({ outcome: 'written' });
    const { template } = kubernetes.peek('DaemonSet', 'cart')!.spec as typeof daemonSet.spec;
    expect(template.spec.containers.map(({ image }) => image)).toEqual([
      `registry.example.com/shop/cart:1.1.0@${B}`,
      'side:1',
    ]);
  });

  it('changes the one image in the target, remembers what was accepted, and tells people', async () => {
    const kubernetes = cluster(canary(), deployment('registry.example.com/shop/cart:1.4.0'));
    const result = await activities(kubernetes).writeImage(ref, { push: push('1.4.2'), digest: B });
    const image = `registry.example.com/shop/cart:1.4.2@${B}`;
    expect(result).toEqual({ outcome: 'written', images: { cart: image } });
    expect(kubernetes.peek('Deployment', 'cart')).toMatchObject({
      metadata: {
        annotations: {
          'serin.dev/last-image-event': 'prod/event-1.4.2',
          'serin.dev/desired-images': JSON.stringify({
            cart: { tag: '1.4.2', digest: B, repository: 'registry.example.com/shop/cart' },
          }),
        },
      },
      spec: { template: { spec: { containers: [{ image, env: [{ name: 'A', value: '1' }] }, { image: 'side:1' }] } } },
    });
    expect(kubernetes.applied).toEqual([
      expect.objectContaining({
        manager: 'serin-image',
        spec: { template: { spec: { containers: [{ name: 'cart', image }] } } },
      }),
    ]);
    expect(await eventsIn(kubernetes)).toEqual([`Normal New image pushed! Setting cart to ${image}`]);
  });

  it('says who made the change, as the registry does, and nothing once nobody is named', async () => {
    const kubernetes = cluster(canary(), deployment('registry.example.com/shop/cart:1.4.0'));
    const author = () => kubernetes.peek('Deployment', 'cart')!.metadata.annotations?.['serin.dev/author'];
    await activities(kubernetes).writeImage(ref, { push: { ...push('1.4.2'), actor: 'ada' }, digest: B });
    expect(author()).toBe('ada');
    await activities(kubernetes).writeImage(ref, { push: { ...push('1.4.1'), actor: 'bob' }, digest: C });
    expect(author()).toBe('ada');
    await activities(kubernetes).writeImage(ref, { push: push('1.4.3'), digest: C });
    expect(imageIn(kubernetes)).toContain(':1.4.3@');
    // What an apply leaves out of what it owned, the API server takes away.
    expect(kubernetes.applied.at(-1)).not.toHaveProperty(['metadata', 'annotations', 'serin.dev/author']);
  });

  it('leaves its trace on the target with the image, in one write, for the release that it starts', async () => {
    const kubernetes = cluster(canary(), deployment('registry.example.com/shop/cart:1.4.0'));
    let trace: string | undefined = '00-a-b-01';
    const { writeImage } = createImageActivities({
      ...{ kubernetes, receivers: [receiver], settings: { namespace: '' } },
      trace: () => trace,
    });
    await writeImage(ref, { push: push('1.4.2'), digest: B });
    expect(kubernetes.applied).toHaveLength(1);
    expect(kubernetes.applied[0]).toHaveProperty(['metadata', 'annotations', 'serin.dev/traceparent'], '00-a-b-01');
    trace = undefined;
    await writeImage(ref, { push: push('1.4.3'), digest: C });
    expect(kubernetes.applied.at(-1)).not.toHaveProperty(['metadata', 'annotations', 'serin.dev/traceparent']);
  });

  it('done twice changes nothing more and tells nobody again, yet says that it was written', async () => {
    const kubernetes = cluster(canary(), deployment('registry.example.com/shop/cart:1.4.0'));
    const first = await activities(kubernetes).writeImage(ref, { push: push('1.4.2'), digest: B });
    const second = await activities(kubernetes).writeImage(ref, { push: push('1.4.2'), digest: B });
    expect(second).toEqual(first);
    expect(kubernetes.applied).toHaveLength(1);
    expect(await eventsIn(kubernetes)).toHaveLength(1);
  });

  it('a late older tag is dropped, whatever the order of arrival', async () => {
    const kubernetes = cluster(canary(), deployment('registry.example.com/shop/cart:1.4.0'));
    await activities(kubernetes).writeImage(ref, { push: push('1.4.2'), digest: B });
    const late = await activities(kubernetes).writeImage(ref, { push: push('1.4.1'), digest: C });
    expect(late).toEqual({ outcome: 'unchanged', reason: 'cart: older' });
    expect(imageIn(kubernetes)).toBe(`registry.example.com/shop/cart:1.4.2@${B}`);
  });

  it('a mutable tag pushed twice, with its events in reverse order, ends at what the registry says now', async () => {
    const kubernetes = cluster(
      canary({ annotations: policies('exact:prod') }),
      deployment('registry.example.com/shop/cart:prod'),
    );
    // Both events resolve to B, since the registry is asked when they are handled.
    const { writeImage } = activities(kubernetes, [receiver], showing(B));
    await writeImage(ref, { push: push('prod', { eventId: 'second' }), digest: B });
    const older = await writeImage(ref, { push: push('prod', { eventId: 'first' }), digest: B });
    expect(older).toEqual({ outcome: 'unchanged', reason: 'cart: same-digest' });
    expect(imageIn(kubernetes)).toBe(`registry.example.com/shop/cart:prod@${B}`);
  });

  it('a new tag of the digest that runs is only remembered; what comes next is compared with it', async () => {
    const kubernetes = cluster(canary(), deployment(`registry.example.com/shop/cart:1.4.0@${A}`));
    const retag = await activities(kubernetes).writeImage(ref, { push: push('1.6.0'), digest: A });
    expect(retag).toEqual({ outcome: 'unchanged', reason: 'cart: same-digest' });
    expect(imageIn(kubernetes)).toBe(`registry.example.com/shop/cart:1.4.0@${A}`);
    const below = await activities(kubernetes).writeImage(ref, { push: push('1.5.0'), digest: B });
    expect(below).toEqual({ outcome: 'unchanged', reason: 'cart: older' });
  });

  it('a digest whose release failed is not tried again, even after a fix has come and gone', async () => {
    const kubernetes = cluster(
      canary({ annotations: policies('exact:prod') }),
      deployment('registry.example.com/shop/cart:1.0'),
      deployment(`registry.example.com/shop/cart:old@${A}`, { name: 'cart-primary' }),
    );
    const write = (eventId: string, digest: string) =>
      activities(kubernetes, [receiver], showing(digest)).writeImage(ref, { push: push('prod', { eventId }), digest });
    await write('1', B);
    (kubernetes.peek('Canary', 'cart')!.status as { phase: string }).phase = 'Failed';
    expect((await write('2', C)).outcome).toBe('written');
    (kubernetes.peek('Canary', 'cart')!.status as { phase: string }).phase = 'Succeeded';
    expect(await write('3', B)).toEqual({ outcome: 'unchanged', reason: 'cart: failed-before' });
    kubernetes.put({
      ...kubernetes.peek('Canary', 'cart')!,
      metadata: { ...canary().metadata, annotations: policies('exact:  prod') },
    });
    expect((await write('4', B)).outcome).toBe('written');
  });

  it('follows images of init containers and volumes where a policy names them, each in its own place', async () => {
    const image = 'registry.example.com/shop/cart:1.4.0';
    const target = deployment(image);
    Object.assign(target.spec.template.spec, {
      initContainers: [{ name: 'migrate', image }],
      volumes: [
        { name: 'model', image: { reference: image } },
        { name: 'tmp', emptyDir: {} },
      ],
    });
    const wanted = [
      { container: 'migrate', kind: 'initContainer', policy: 'semver:^1' },
      { container: 'model', kind: 'imageVolume', policy: 'semver:^1' },
    ];
    const kubernetes = cluster(canary({ annotations: { 'serin.dev/image-policies': JSON.stringify(wanted) } }), target);
    const result = await activities(kubernetes).writeImage(ref, { push: push('1.4.2'), digest: B });
    const written = `registry.example.com/shop/cart:1.4.2@${B}`;
    expect(result).toEqual({ outcome: 'written', images: { migrate: written, 'volume/model': written } });
    expect(kubernetes.applied).toMatchObject([
      {
        spec: {
          template: {
            spec: {
              containers: [],
              initContainers: [{ name: 'migrate', image: written }],
              volumes: [{ name: 'model', image: { reference: written } }],
            },
          },
        },
      },
    ]);
  });

  it('a target that was written meanwhile is judged again, not overwritten', async () => {
    const kubernetes = cluster(canary(), deployment('registry.example.com/shop/cart:1.4.0'));
    const get = kubernetes.get.bind(kubernetes);
    kubernetes.get = async (resource, namespace, name) => {
      const found = await get(resource, namespace, name);
      if (name === 'cart-primary') kubernetes.put(deployment('registry.example.com/shop/cart:1.9.0'));
      return found;
    };
    await expect(activities(kubernetes).writeImage(ref, { push: push('1.4.2'), digest: B })).rejects.toMatchObject({
      type: 'Conflict',
    });
    expect(imageIn(kubernetes)).toBe('registry.example.com/shop/cart:1.9.0');
  });

  const ownedBy = (manager: string): ManagedFields =>
    ({
      manager,
      fieldsV1: {
        'f:spec': { 'f:template': { 'f:spec': { 'f:containers': { 'k:{"name":"cart"}': { 'f:image': {} } } } } },
      },
    }) as ManagedFields;
  const flux = { 'kustomize.toolkit.fluxcd.io/name': 'apps' };

  it.each`
    owner                                  | metadata                                                                                | outcome
    ${'kustomize-controller'}              | ${{ managedFields: [ownedBy('kustomize-controller')] }}                                 | ${'refused'}
    ${'argocd-controller'}                 | ${{ managedFields: [ownedBy('argocd-controller')] }}                                    | ${'refused'}
    ${'Flux, by its label'}                | ${{ labels: flux, managedFields: [ownedBy('manager')] }}                                | ${'refused'}
    ${'Flux, but the image is ours alone'} | ${{ labels: flux, managedFields: [ownedBy('serin-image')] }}                            | ${'written'}
    ${'a person with kubectl'}             | ${{ managedFields: [ownedBy('kubectl-client-side-apply')] }}                            | ${'written'}
    ${'Flux, of other fields'}             | ${{ managedFields: [{ manager: 'kustomize-controller', fieldsV1: { 'f:spec': {} } }] }} | ${'written'}
    ${'Keel'}                              | ${{ annotations: { 'keel.sh/policy': 'all' } }}                                         | ${'refused'}
  `('an image that belongs to $owner is $outcome', async ({ metadata, outcome }) => {
    const kubernetes = cluster(
      canary(),
      deployment('registry.example.com/shop/cart:1.4.0', { metadata: metadata as object }),
    );
    const result = await activities(kubernetes).writeImage(ref, { push: push('1.4.2'), digest: B });
    expect(result.outcome).toBe(outcome);
    if (outcome === 'written') return;
    expect(imageIn(kubernetes)).toBe('registry.example.com/shop/cart:1.4.0');
    expect(await eventsIn(kubernetes)).toEqual([
      expect.stringMatching(/^Warning New image registry.example.com\/shop\/cart:1.4.2 is not applied: /),
    ]);
  });

  it('writes what a GitOps tool owns when told so', async () => {
    const annotations = { ...policies(), 'serin.dev/image-write-back': 'cluster' };
    const metadata = { managedFields: [ownedBy('kustomize-controller')] };
    const kubernetes = cluster(
      canary({ annotations }),
      deployment('registry.example.com/shop/cart:1.4.0', { metadata }),
    );
    expect((await activities(kubernetes).writeImage(ref, { push: push('1.4.2'), digest: B })).outcome).toBe('written');
  });

  it.each`
    why                            | annotations                                             | spec                                                | outcome
    ${'updates are suspended'}     | ${{ ...policies(), 'serin.dev/image-suspend': 'true' }} | ${{}}                                               | ${'unchanged'}
    ${'the policy is gone'}        | ${{}}                                                   | ${{}}                                               | ${'unchanged'}
    ${'the policy cannot be read'} | ${policies('newest-build')}                             | ${{}}                                               | ${'refused'}
    ${'the target has no pods'}    | ${policies()}                                           | ${{ targetRef: { kind: 'Service', name: 'cart' } }} | ${'refused'}
    ${'the target does not exist'} | ${policies()}                                           | ${{ targetRef: { kind: 'Deployment', name: 'x' } }} | ${'refused'}
  `('writes nothing when $why: $outcome', async ({ annotations, spec, outcome }) => {
    const kubernetes = cluster(
      canary({ annotations: annotations as object, spec: spec as object }),
      deployment('registry.example.com/shop/cart:1.4.0'),
    );
    const result = await activities(kubernetes).writeImage(ref, { push: push('1.4.2'), digest: B });
    expect(result).toEqual({ outcome, reason: expect.any(String) });
    expect(kubernetes.applied).toEqual([]);
  });

  it('a push to another repository changes nothing, though its name looks alike', async () => {
    const kubernetes = cluster(canary(), deployment('registry.example.com/shop/cart:1.4.0'));
    for (const repository of ['shop/cart2', 'evil.io/shop/cart', 'cart'])
      expect(await activities(kubernetes).writeImage(ref, { push: push('1.4.2', { repository }), digest: B })).toEqual({
        outcome: 'unchanged',
        reason: 'no container follows this repository',
      });
  });
});

describe('who follows a repository', () => {
  it('is found by container and image, in the receiver’s namespaces, under any name of the registry', async () => {
    const image = 'registry.example.com/shop/cart:1';
    const kubernetes = cluster(
      canary(),
      deployment(image),
      canary({ namespace: 'store', name: 'alias' }),
      deployment('registry.internal:5000/shop/cart:1', { namespace: 'store' }),
      canary({ namespace: 'elsewhere', name: 'not-allowed' }),
      deployment(image, { namespace: 'elsewhere' }),
      canary({ name: 'no-policy', annotations: { a: 'b' } }),
      canary({ name: 'garbled', annotations: policies('newest-build') }),
      canary({ name: 'other-image', spec: { targetRef: { kind: 'Deployment', name: 'other' } } }),
      deployment('registry.example.com/shop/other:1', { name: 'other' }),
      canary({ name: 'no-target', spec: { targetRef: 'nonsense' } }),
    );
    const found = await activities(kubernetes).findTargets(push('1.4.2'));
    expect(found.map(({ namespace, name }) => `${namespace}/${name}`).sort()).toEqual([
      'shop/cart',
      'shop/garbled',
      'store/alias',
    ]);
    const everywhere = await activities(kubernetes, [{ ...receiver, namespaces: ['*'] }]).findTargets(push('1.4.2'));
    expect(everywhere.map(({ name }) => name)).toContain('not-allowed');
  });

  it('is found by annotations alone in a cluster that knows no ImageTriggers', async () => {
    const kubernetes = cluster(canary(), deployment('registry.example.com/shop/cart:1'));
    for (let n = 0; n < 2; n += 1) kubernetes.failNext('list', 'ImageTrigger', failure('NotFound', 'no such resource'));
    expect(await activities(kubernetes, [{ ...receiver, namespaces: ['shop'] }]).findTargets(push('1.4.2'))).toEqual([
      ref,
    ]);
    // What may not be read may forbid something.
    kubernetes.failNext('list', 'ImageTrigger', failure('Unauthorized', 'imagetriggers is forbidden'));
    const writing = activities(kubernetes).findTargets(push('1.4.2'));
    await expect(writing).rejects.toMatchObject({ type: 'Unauthorized' });
  });

  it('is looked for once, however many pushes come at the same time', async () => {
    const kubernetes = cluster(canary(), deployment('registry.example.com/shop/cart:1'));
    let lists = 0;
    const { list } = kubernetes;
    kubernetes.list = (resource, ...more) => {
      if (resource.kind === 'Canary') lists += 1;
      return list(resource, ...more);
    };
    const { findTargets } = activities(kubernetes, [{ ...receiver, namespaces: ['*'] }]);
    const found = await Promise.all(Array.from({ length: 20 }, (_, n) => findTargets(push(`1.${n}.0`))));
    expect(found).toEqual(found.map(() => [ref]));
    // The first one at once, all others together.
    expect(lists).toBe(2);
  });

  it('needs the worker to know the receiver', async () => {
    await expect(activities(cluster(), []).findTargets(push('1'))).rejects.toMatchObject({
      type: 'InvalidSpec',
      message: expect.stringContaining('SERIN_RECEIVERS'),
    });
  });
});

describe('asking the registry', () => {
  let server: Server;
  beforeEach(async () => {
    server = createServer((request, response) => {
      const known = request.url === '/v2/shop/cart/manifests/1.4.2';
      response.writeHead(known ? 200 : 404, known ? { 'docker-content-digest': B } : {}).end();
    });
    await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  });
  afterEach(() => new Promise<void>((done) => void server.close(() => done())));

  it('goes where the receiver’s configuration says, whatever the push says about its host', async () => {
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    const { resolveImage } = activities(cluster(), [{ ...receiver, registry: { url, authHosts: [], private: true } }]);
    expect(await resolveImage(push('1.4.2', { host: 'evil.io', digest: A }))).toEqual({ digest: B });
    expect(await resolveImage(push('1.4.3'))).toHaveProperty('missing');
  });
});
