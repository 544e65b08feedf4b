import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { freePort } from '../../local/ports.ts';
import type { Server } from '../../local/process.ts';
import { pushImage } from '../../local/push-image.ts';
import type { Place } from '../../local/servers/place.ts';
import { startRegistry } from '../../local/servers/registry.ts';
import { startZot } from '../../local/servers/zot.ts';
import { provideTool, type ToolName } from '../../local/tools.ts';
import { createImageActivities } from '../../src/activities/images/index.ts';
import type { ImageActivities } from '../../src/activities/images/contract.ts';
import { resources } from '../../src/clients/kubernetes.ts';
import type { RegistryBinding } from '../../src/images/binding.ts';
import { createRegistries, type RegistryAccess } from '../../src/images/registry.ts';
import type { ImagePush } from '../../src/workflows/image-push.ts';
import { openCluster, type TestCluster } from '../support/cluster.ts';
import { say } from '../support/teardown.ts';

/**
 * From what is in a registry to an image in a pod template, against real registries of more than one make. Who tells of
 * pushes, and how, is another matter: see the fixtures of triggers, and the end-to-end tests.
 */

const makes = [
  ['CNCF distribution', 'registry', startRegistry],
  ['zot', 'zot', startZot],
] as const satisfies readonly (readonly [string, ToolName, (place: Place) => Promise<Server>])[];

describe.each(makes)('%s', (_, tool, start) => {
  let directory: string;
  let server: Server;
  let address: string;
  let cluster: TestCluster;
  let namespace: string;
  let worker: ImageActivities;
  let access: RegistryAccess;

  beforeAll(async () => {
    cluster = openCluster();
    directory = mkdtempSync(join(tmpdir(), `serin-${tool}-`));
    server = await start({ binary: await provideTool(tool, say), directory, port: await freePort() });
    address = server.address;
    access = { url: `http://${address}`, authHosts: [], private: true };
  }, 600_000);

  afterAll(async () => {
    await server?.stop();
    rmSync(directory, { recursive: true, force: true });
  });

  beforeEach(async () => {
    namespace = await cluster.namespace('registries');
    const receiver: RegistryBinding = {
      ...{ name: 'prod', host: address, hostAliases: [], repositories: ['**'], namespaces: [namespace], settleMs: 0 },
      registry: access,
    };
    worker = createImageActivities({
      ...{ kubernetes: cluster.kubernetes, receivers: [receiver], settings: { namespace: '' } },
    });
  });

  const repository = () => `team/${namespace}`;
  const send = (tag: string, more = {}) => pushImage(address, repository(), tag, more);
  const ref = () => ({ namespace, name: 'cart' });

  /** A Canary that follows the repository, at 1.4.0. */
  async function follower(policy: string, tag = '1.4.0'): Promise<void> {
    const containers = [{ name: 'cart', image: `${address}/${repository()}:${tag}` }];
    const annotations = { 'serin.dev/image-policies': JSON.stringify([{ container: 'cart', policy }]) };
    await cluster.apply(
      namespace,
      {
        ...{ apiVersion: 'apps/v1', kind: 'Deployment', metadata: { name: 'cart' } },
        spec: {
          selector: { matchLabels: { app: 'cart' } },
          template: { metadata: { labels: { app: 'cart' } }, spec: { containers } },
        },
      },
      {
        ...{ apiVersion: 'flagger.app/v1beta1', kind: 'Canary', metadata: { name: 'cart', annotations } },
        spec: {
          targetRef: { apiVersion: 'apps/v1', kind: 'Deployment', name: 'cart' },
          service: { port: 80 },
          analysis: { interval: '1m', threshold: 1, maxWeight: 50, stepWeight: 10 },
        },
      },
    );
  }

  /** What an event of this tag comes to. */
  async function told(tag: string) {
    const push: ImagePush = {
      ...{ receiver: 'prod', source: 'zot', trust: 'shared-secret', host: address, repository: repository(), tag },
      eventId: `event-${tag}-${Math.random()}`,
    };
    const resolution = await worker.resolveImage(push);
    if (!('digest' in resolution)) return resolution;
    return worker.writeImage(ref(), { push, digest: resolution.digest });
  }

  const imageNow = async () => {
    const { spec } = await cluster.read(resources.deployments, namespace, 'cart');
    return (spec as { template: { spec: { containers: { image: string }[] } } }).template.spec.containers[0]!.image;
  };

  it('names the index of several platforms, and none of its children', async () => {
    await follower('semver:^1');
    const { digest, manifests } = await send('1.4.2', { platforms: ['linux/amd64', 'linux/arm64'] });
    expect(manifests).not.toContain(digest);
    expect(await told('1.4.2')).toMatchObject({ outcome: 'written' });
    expect(await imageNow()).toBe(`${address}/${repository()}:1.4.2@${digest}`);
    expect(await createRegistries().resolve(access, repository(), digest)).toMatchObject({ digest });
  });

  it('1.4.2 and then 1.4.1 end at 1.4.2', async () => {
    await follower('semver:^1');
    const { digest } = await send('1.4.2');
    await send('1.4.1');
    expect(await told('1.4.2')).toMatchObject({ outcome: 'written' });
    expect(await told('1.4.1')).toMatchObject({ outcome: 'unchanged', reason: 'cart: older' });
    expect(await imageNow()).toBe(`${address}/${repository()}:1.4.2@${digest}`);
  });

  it('a tag that moves brings what it points to now, once', async () => {
    await follower('exact:prod', 'prod');
    const first = await send('prod');
    expect(await told('prod')).toMatchObject({ outcome: 'written' });
    const second = await send('prod');
    expect(second.digest).not.toBe(first.digest);
    expect(await told('prod')).toMatchObject({ outcome: 'written' });
    expect(await told('prod')).toMatchObject({ outcome: 'unchanged', reason: 'cart: same-digest' });
    expect(await imageNow()).toBe(`${address}/${repository()}:prod@${second.digest}`);
  });

  it('a poll finds the highest of all tags', async () => {
    await follower('semver:^1');
    await send('1.4.0');
    for (const tag of ['1.9.0', 'latest', '2.0.0']) await send(tag);
    const { digest } = await send('1.10.0');
    const { changes } = await worker.seekImages(ref(), { container: 'cart' });
    expect(changes).toEqual([{ digest, push: expect.objectContaining({ source: 'poll', tag: '1.10.0' }) }]);
    expect(await worker.writeImage(ref(), changes[0]!)).toMatchObject({ outcome: 'written' });
  });

  it('what is not there is missing, and a repository that nobody pushed to has no tags', async () => {
    await send('1.4.0');
    const { resolve, tags } = createRegistries();
    expect(await resolve(access, repository(), '9.9.9')).toHaveProperty('missing');
    expect(await tags(access, `${repository()}-other`)).toBeUndefined();
  });

  it('R7: one that is down decides nothing, and once it is back the same event is handled', async () => {
    await follower('semver:^1');
    const { digest } = await send('1.4.2');
    await server.stop();
    await expect(told('1.4.2')).rejects.toMatchObject({ type: 'Unavailable' });
    expect(await imageNow()).toBe(`${address}/${repository()}:1.4.0`);
    await server.restart();
    expect(await told('1.4.2')).toMatchObject({ outcome: 'written' });
    expect(await imageNow()).toBe(`${address}/${repository()}:1.4.2@${digest}`);
  });
});
