import { describe, expect, it } from '@jest/globals';
import type { Kubernetes, KubernetesObject } from '../../src/clients/kubernetes.ts';
import type { CreateRouter } from '../../src/activities/routers/router.ts';
import type { Weights } from '../../src/workflows/domain/observation.ts';
import { affinityContract, matchingContract, mirroringContract, takeoverContract } from './router-capabilities.ts';
import type { RouterWorld, Split } from './router-world.ts';

const start: Weights = { primary: 100, canary: 0 };

/** The suite that every router passes. `world` makes a fresh one for each test; the first tells what there is to test. */
export function routerContract(
  provider: string,
  create: CreateRouter,
  capabilities: Pick<
    RouterWorld,
    'split' | 'mirroring' | 'matching' | 'affinity' | 'takeover' | 'impossible' | 'leavesNothing'
  >,
  world: () => Promise<RouterWorld>,
): void {
  describe(`${provider} keeps the router contract`, () => {
    it('names everything that is missing, and creates nothing by looking', async () => {
      const { deps, canary, objects, stored } = await world();
      expect([...(await create(deps).drift(canary))].sort()).toEqual([...objects].sort());
      expect(await stored()).toEqual([]);
    });

    it('creates everything with the weights it was given, and then misses nothing', async () => {
      const { deps, canary, objects, stored } = await world();
      const router = create(deps);
      expect(await router.ensure(canary, start)).toEqual([]);
      expect((await stored()).map(nameOf).sort()).toEqual([...objects].sort());
      expect(await router.drift(canary)).toEqual([]);
      expect(await router.getWeights(canary)).toEqual(start);
    });

    const leaves = capabilities.leavesNothing ? 'takes back all it made' : 'leaves what goes with the Canary';
    it(`counts a route that is missing as reverted, and ${leaves}`, async () => {
      const { deps, canary, objects, stored } = await world();
      const router = create(deps);
      await router.revert(canary);
      expect(await stored()).toEqual([]);
      await router.ensure(canary, start);
      const before = await stored();
      await router.revert(canary);
      expect(await stored()).toEqual(capabilities.leavesNothing ? [] : before);
      expect(before).toHaveLength(objects.length);
    });

    if (capabilities.impossible) {
      it('names the field of a Canary that it cannot serve, before it writes anything', async () => {
        const { deps, impossible, stored } = await world();
        const router = create(deps);
        const refusal = { type: 'InvalidSpec', message: expect.stringContaining(impossible!.field) };
        await expect(router.drift(impossible!.canary)).rejects.toMatchObject(refusal);
        await expect(router.ensure(impossible!.canary, start)).rejects.toMatchObject(refusal);
        expect(await stored()).toEqual([]);
      });
    }

    if (capabilities.split) splitContract(create, world, capabilities.split);
    else unsplitContract(create, world);
    if (capabilities.mirroring) mirroringContract(create, world);
    if (capabilities.matching) matchingContract(create, world);
    if (capabilities.affinity) affinityContract(create, world, capabilities.affinity);
    if (capabilities.takeover) takeoverContract(create, world);
  });
}

/** A provider without weights: everything goes to the primary, whatever it is told. */
function unsplitContract(create: CreateRouter, world: () => Promise<RouterWorld>): void {
  it('leaves all traffic with the primary, and writes nothing', async () => {
    const { deps, canary, stored } = await world();
    const router = create(deps);
    expect(await router.getWeights(canary)).toEqual(start);
    await router.ensure(canary, start);
    const before = await stored();
    await router.setWeights(canary, { primary: 0, canary: 100 });
    await router.ensure(canary, { primary: 0, canary: 100 });
    expect(await router.getWeights(canary)).toEqual(start);
    expect(await stored()).toEqual(before);
    expect(await router.drift(canary)).toEqual([]);
  });
}

function splitContract(create: CreateRouter, world: () => Promise<RouterWorld>, capabilities: Split): void {
  const split = async (): Promise<RouterWorld & Split> => {
    const made = await world();
    return { ...made, ...made.split! };
  };

  it('has no weights while there is no route', async () => {
    const { deps, canary } = await world();
    expect(await create(deps).getWeights(canary)).toBeUndefined();
  });

  it('writes nothing when asked for what is there already', async () => {
    const { deps, canary, stored } = await world();
    const router = create(deps);
    await router.ensure(canary, { primary: 70, canary: 30 });
    const before = await stored();
    await router.ensure(canary, { primary: 70, canary: 30 });
    await router.setWeights(canary, { primary: 70, canary: 30 });
    expect(await stored()).toEqual(before);
  });

  it.each([
    [90, 10],
    [50, 50],
    [0, 100],
    [100, 0],
  ])('moves traffic to %i/%i without touching anything else', async (primary, canaryWeight) => {
    const { deps, canary, route, written } = await split();
    const router = create(deps);
    await router.ensure(canary, { primary: 60, canary: 40 });
    const before = await route();
    await router.setWeights(canary, { primary, canary: canaryWeight });
    const after = await route();
    expect(await router.getWeights(canary)).toEqual({ primary, canary: canaryWeight });
    expect(written(after!)).toEqual({ primary, canary: canaryWeight });
    expect(await router.drift(canary)).toEqual([]);
    expect(stable(after!.metadata)).toEqual(stable(before!.metadata));
  });

  it('BC-03: a weight of zero is written as zero when created, after a rollback and after a promotion', async () => {
    const { deps, canary, route, written } = await split();
    const router = create(deps);
    await router.ensure(canary, start);
    expect(written((await route())!)).toEqual({ primary: 100, canary: 0 });
    await router.setWeights(canary, { primary: 0, canary: 100 });
    expect(written((await route())!)).toEqual({ primary: 0, canary: 100 });
    await router.setWeights(canary, start);
    expect(written((await route())!)).toEqual({ primary: 100, canary: 0 });
  });

  it('puts back what was changed by hand, and keeps the weights of the release', async () => {
    const { deps, canary, tamper } = await split();
    const router = create(deps);
    await router.ensure(canary, { primary: 80, canary: 20 });
    const name = await tamper();
    expect(await router.drift(canary)).toEqual([name]);
    expect(await router.ensure(canary, { primary: 80, canary: 20 })).toEqual([]);
    expect(await router.drift(canary)).toEqual([]);
    expect(await router.getWeights(canary)).toEqual({ primary: 80, canary: 20 });
  });

  it('tells weights that were set by hand, does not call them drift, and replaces them when asked', async () => {
    const { deps, canary, shove } = await split();
    const router = create(deps);
    await router.ensure(canary, { primary: 80, canary: 20 });
    await shove({ primary: 50, canary: 50 });
    expect(await router.drift(canary)).toEqual([]);
    expect(await router.getWeights(canary)).toEqual({ primary: 50, canary: 50 });
    await router.ensure(canary, { primary: 80, canary: 20 });
    expect(await router.getWeights(canary)).toEqual({ primary: 80, canary: 20 });
  });

  if (capabilities.edited) {
    it('follows an edit of the Canary', async () => {
      const { deps, canary, edited, route } = await split();
      const router = create(deps);
      await router.ensure(canary, { primary: 80, canary: 20 });
      expect(await router.drift(edited!)).toContain(nameOf((await route())!));
      expect(await router.ensure(edited!, { primary: 80, canary: 20 })).toEqual([]);
      expect(await router.drift(edited!)).toEqual([]);
      expect(await router.getWeights(edited!)).toEqual({ primary: 80, canary: 20 });
    });
  }

  it('refuses to move traffic on a route that is gone, and brings it back when asked to', async () => {
    const { deps, canary, route, removeRoute } = await split();
    const router = create(deps);
    await router.ensure(canary, start);
    await removeRoute();
    await expect(router.setWeights(canary, { primary: 90, canary: 10 })).rejects.toMatchObject({ type: 'NotFound' });
    expect(await route()).toBeUndefined();
    expect(await router.getWeights(canary)).toBeUndefined();
    await router.ensure(canary, { primary: 90, canary: 10 });
    expect(await router.getWeights(canary)).toEqual({ primary: 90, canary: 10 });
  });

  it('does not overwrite what someone else wrote since it looked', async () => {
    const { deps, canary, route } = await split();
    await create(deps).ensure(canary, start);
    const kind = (await route())!.kind;
    const router = create({ ...deps, kubernetes: meddled(deps.kubernetes, kind), mesh: meddled(deps.mesh, kind) });
    const moving = router.setWeights(canary, { primary: 90, canary: 10 });
    await expect(moving).rejects.toMatchObject({ type: 'Conflict', nonRetryable: false });
    expect(await create(deps).getWeights(canary)).toEqual(start);
    await create(deps).setWeights(canary, { primary: 90, canary: 10 });
    expect(await create(deps).getWeights(canary)).toEqual({ primary: 90, canary: 10 });
  });
}

function nameOf({ kind, metadata }: KubernetesObject): string {
  return `${kind} ${metadata.name}`;
}

/** Metadata without what every write changes. */
function stable(metadata: KubernetesObject['metadata']): object {
  return { ...metadata, resourceVersion: '', generation: 0, managedFields: [] };
}

/** A cluster in which another writer is always a moment faster: whatever is read of this kind has changed since. */
function meddled(kubernetes: Kubernetes, kind: string): Kubernetes {
  return {
    ...kubernetes,
    async get(resource, namespace, name) {
      const found = await kubernetes.get(resource, namespace, name);
      if (found && resource.kind === kind) {
        await kubernetes.patch(resource, namespace, name, {
          metadata: { annotations: { touched: String(Date.now()) } },
        });
      }
      return found;
    },
  };
}
