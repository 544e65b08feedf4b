import { describe, expect, it } from '@jest/globals';
import { shopWith } from '../../test/contracts/router-worlds.ts';
import { memoryKubernetes, type MemoryKubernetes } from '../../test/support/memory-kubernetes.ts';
import { testDeps } from '../../test/support/shop.ts';
import { failure } from '../errors.ts';
import { createActivities } from './index.ts';
import { createClearMesh } from './leftovers.ts';
import { routers } from './routers/index.ts';

const canary = { namespace: 'prod', name: 'shop' };
const start = { primary: 100, canary: 0 };

function clusters(settings: object = {}, isOther = true) {
  const mesh: MemoryKubernetes = { ...memoryKubernetes(), ...(isOther ? { server: 'https://mesh:6443' } : {}) };
  return { mesh, deps: { ...testDeps(memoryKubernetes(), settings), mesh } };
}

/** What was there before the Canary, and what a provider makes. */
async function inUse(provider: string, settings: object = {}) {
  const { mesh, deps } = clusters(settings);
  const foreign = { apiVersion: 'networking.istio.io/v1beta1', kind: 'DestinationRule' };
  mesh.put({ ...foreign, metadata: { name: 'shop-canary', namespace: 'prod' }, spec: { host: 'elsewhere' } });
  mesh.put({
    ...foreign,
    metadata: { name: 'other', namespace: 'prod', labels: { 'serin.dev/canary': 'prod.other' } },
  });
  const gatewayRefs = [{ name: 'public' }];
  await routers.get(provider)!.create(deps).ensure(shopWith({ gatewayRefs }), start);
  mesh.writes.length = 0;
  return { mesh, deps };
}

describe('what a deleted Canary leaves in the cluster of a mesh', () => {
  it.each([
    ['istio', ['remove VirtualService shop', 'remove DestinationRule shop-primary']],
    ['gatewayapi:v1', ['remove HTTPRoute shop']],
  ])('is deleted as far as %s made it, and nothing else', async (provider, writes) => {
    const { mesh, deps } = await inUse(provider);
    expect(await createClearMesh(deps)(canary)).toEqual([]);
    expect([...mesh.writes].sort()).toEqual([...writes].sort());
    expect(await createClearMesh(deps)(canary)).toEqual([]);
    expect(mesh.writes).toHaveLength(writes.length);
  });

  it('stays where the settings say so, as with Flagger', async () => {
    const { mesh, deps } = await inUse('istio', { meshCleanup: false });
    await createClearMesh(deps)(canary);
    expect(mesh.writes).toEqual([]);
  });

  it('is the garbage collector’s where the mesh is in the same cluster', async () => {
    const { mesh, deps } = clusters({}, false);
    await routers.get('istio')!.create(deps).ensure(shopWith(), start);
    mesh.peek('VirtualService', 'shop')!.metadata.labels = { 'serin.dev/canary': 'prod.shop' };
    mesh.writes.length = 0;
    await createClearMesh(deps)(canary);
    expect(mesh.writes).toEqual([]);
  });

  it('is told of with a cure where it cannot be deleted; a product that is not installed left nothing', async () => {
    const { mesh, deps } = await inUse('istio');
    mesh.failNext('remove', 'VirtualService', failure('Unauthorized', 'forbidden'));
    mesh.failNext('list', 'HTTPRoute', failure('NotFound', 'the server could not find the requested resource'));
    expect(await createClearMesh(deps)(canary)).toEqual([
      'virtualservices of canary shop.prod are left in the cluster of the mesh: forbidden; delete those with the label ' +
        'serin.dev/canary=prod.shop, or allow Serin to',
    ]);
    expect(mesh.writes).toEqual(['remove DestinationRule shop-primary']);
  });

  it('goes when a look finds the Canary gone, though it had no finalizer, and holds nothing up', async () => {
    const { mesh, deps } = await inUse('istio');
    mesh.failNext('remove', 'DestinationRule', failure('Unauthorized', 'forbidden'));
    const warned: object[] = [];
    const log = {
      info: () => undefined,
      warn: (message: string, fields?: object) => warned.push({ message, ...fields }),
    };
    const { look } = createActivities(deps, log);
    expect(await look(canary, { metricsProviders: false })).toEqual({ drift: [] });
    expect(mesh.writes).toEqual(['remove VirtualService shop']);
    expect(warned).toMatchObject([{ message: 'objects of a deleted canary are left', canary: 'shop.prod' }]);
    await look(canary, { metricsProviders: false });
    expect(mesh.writes).toContain('remove DestinationRule shop-primary');
  });
});
