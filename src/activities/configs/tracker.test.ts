import { describe, expect, it } from '@jest/globals';
import { memoryKubernetes, type MemoryKubernetes } from '../../../test/support/memory-kubernetes.ts';
import { byShop, settings, shopCanary, type Loose } from '../../../test/support/shop.ts';
import { resources } from '../../clients/kubernetes.ts';
import { failure } from '../../errors.ts';
import { createConfigTracker } from './tracker.ts';

const canary = shopCanary();

const configMap = (name: string, data?: object, more: object = {}): Loose => ({
  apiVersion: 'v1',
  kind: 'ConfigMap',
  ...more,
  metadata: { name, namespace: 'prod', ...(more as Loose).metadata },
  ...(data ? { data } : {}),
});
const secret = (name: string, data?: object, more: object = {}): Loose => ({
  ...configMap(name, data, more),
  kind: 'Secret',
  type: (more as Loose).type ?? 'Opaque',
});

/** Refers to `c-<place>` and `s-<place>` in every place there is. */
const everywhere = (optional?: boolean): Loose => {
  const container = (place: string) => ({
    name: place,
    env: [
      { name: 'A', valueFrom: { configMapKeyRef: { name: `c-${place}-env`, key: 'a', optional } } },
      { name: 'B', valueFrom: { secretKeyRef: { name: `s-${place}-env`, key: 'a', optional } } },
      { name: 'C', value: 'plain' },
    ],
    envFrom: [
      { configMapRef: { name: `c-${place}-from`, optional } },
      { secretRef: { name: `s-${place}-from`, optional } },
    ],
  });
  return {
    spec: {
      volumes: [
        { name: 'a', configMap: { name: 'c-volume', optional } },
        { name: 'b', secret: { secretName: 's-volume', optional } },
        {
          name: 'c',
          projected: {
            sources: [
              { configMap: { name: 'c-projected', optional } },
              { secret: { name: 's-projected', optional } },
              { serviceAccountToken: { path: 'token' } },
            ],
          },
        },
        { name: 'd', emptyDir: {} },
      ],
      containers: [container('app')],
      initContainers: [container('init')],
    },
  };
};
const places = ['volume', 'projected', 'app-env', 'app-from', 'init-env', 'init-from'];
const everything = () =>
  places.flatMap((place) => [configMap(`c-${place}`, { a: '1' }), secret(`s-${place}`, { a: 'MQ==' })]);

const tracker = (kubernetes: MemoryKubernetes, more: object = {}) =>
  createConfigTracker(kubernetes, { ...settings, ...more });
const readsFrom = (...names: string[]): Loose => ({
  spec: { containers: [{ name: 'web', envFrom: names.map((name) => ({ configMapRef: { name } })) }] },
});

describe('what is tracked', () => {
  it('TestConfigTracker_ConfigMaps, _Secrets: is named in volumes, projected volumes, env and envFrom, also of init containers', async () => {
    const { configs, checksums } = await tracker(memoryKubernetes(...everything())).collect(canary, everywhere());
    const keys = places.flatMap((place) => [`configmap/c-${place}`, `secret/s-${place}`]).sort();
    expect([...configs.keys()]).toEqual(keys);
    expect(Object.keys(checksums!)).toEqual(keys);
  });

  it.each<[string, object | undefined, object, string]>([
    ['a ConfigMap', { color: 'red' }, {}, '241889ca0604e333'],
    ['one without data', undefined, {}, '74234e98afe7498f'],
    ['one with empty data', {}, {}, '44136fa355b3678a'],
    ['signs that Go escapes', { a: 'é', b: '<a>&\u2028' }, {}, '9b5122ff9edefbfd'],
  ])('has the checksum that Flagger gives %s', async (_, data, more, checksum) => {
    const kubernetes = memoryKubernetes(configMap('settings', data, more));
    const { checksums } = await tracker(kubernetes).collect(canary, readsFrom('settings'));
    expect(checksums).toEqual({ 'configmap/settings': checksum });
  });

  it('has the checksum that Flagger gives a Secret', async () => {
    const kubernetes = memoryKubernetes(secret('key', { apiKey: 'dGVzdA==' }));
    const { checksums } = await tracker(kubernetes).collect(canary, {
      spec: { volumes: [{ secret: { secretName: 'key' } }] },
    });
    expect(checksums).toEqual({ 'secret/key': '3930f0692c2295eb' });
  });

  it('Q24: has another checksum when binary data changes', async () => {
    const checksumWith = async (binaryData?: object) => {
      const kubernetes = memoryKubernetes(configMap('settings', { color: 'red' }, binaryData ? { binaryData } : {}));
      return (await tracker(kubernetes).collect(canary, readsFrom('settings'))).checksums!['configmap/settings'];
    };
    const all = [await checksumWith(), await checksumWith({ a: 'AA==' }), await checksumWith({ a: 'AQ==' })];
    expect(new Set(all).size).toBe(3);
    expect(await checksumWith({})).toBe(all[0]);
  });

  it.each<[string, object]>([
    ['says disable', { metadata: { annotations: { 'flagger.app/config-tracking': 'disable' } } }],
    ['says disabled', { metadata: { annotations: { 'flagger.app/config-tracking': 'disabled' } } }],
    ['says disable-x', { metadata: { annotations: { 'flagger.app/config-tracking': 'disable-x' } } }],
  ])('TestConfigIsDisabled, BC-19: is nothing that %s', async (_, more) => {
    const kubernetes = memoryKubernetes(configMap('settings', { a: '1' }, more));
    const tracked = await tracker(kubernetes).collect(canary, readsFrom('settings'));
    expect([...tracked.configs.keys()]).toEqual([]);
    expect(tracked.checksums).toBeUndefined();
    expect(tracker(kubernetes).rewrite(readsFrom('settings'), tracked)).toEqual(readsFrom('settings'));
  });

  it.each<[string, object]>([
    ['says something else', { metadata: { annotations: { 'flagger.app/config-tracking': 'enabled' } } }],
    [
      'says so under another key',
      { metadata: { annotations: { app: 'disable', 'other/config-tracking': 'disable' } } },
    ],
    ['says nothing', {}],
  ])('TestConfigIsDisabled: is what %s', async (_, more) => {
    const kubernetes = memoryKubernetes(configMap('settings', { a: '1' }, more));
    const tracked = await tracker(kubernetes).collect(canary, readsFrom('settings'));
    expect([...tracked.configs.keys()]).toEqual(['configmap/settings']);
  });

  it.each([
    ['Opaque', true],
    ['kubernetes.io/basic-auth', true],
    ['kubernetes.io/ssh-auth', true],
    ['kubernetes.io/tls', true],
    ['kubernetes.io/service-account-token', false],
    ['helm.sh/release.v1', false],
  ])('of Secrets of type %s: %s', async (type, is) => {
    const kubernetes = memoryKubernetes(secret('key', { a: 'MQ==' }, { type }));
    const template = { spec: { volumes: [{ secret: { secretName: 'key' } }] } };
    expect((await tracker(kubernetes).collect(canary, template)).configs.size).toBe(is ? 1 : 0);
  });

  it('is nothing where tracking is off, and nothing is read', async () => {
    const kubernetes = memoryKubernetes();
    const off = tracker(kubernetes, { configTracking: false });
    expect(await off.collect(canary, everywhere())).toEqual({ configs: new Map() });
  });

  it('Test_fieldIsMandatory: what is optional may be missing', async () => {
    expect((await tracker(memoryKubernetes()).collect(canary, everywhere(true))).configs.size).toBe(0);
    await expect(tracker(memoryKubernetes()).collect(canary, everywhere(false))).rejects.toMatchObject({
      type: 'NotFound',
    });
  });

  it('Q24: what one place needs, another cannot make optional', async () => {
    const template = {
      spec: {
        containers: [{ envFrom: [true, false, true].map((optional) => ({ configMapRef: { name: 'x', optional } })) }],
      },
    };
    const text = 'configmap x.prod get query error';
    await expect(tracker(memoryKubernetes()).collect(canary, template)).rejects.toMatchObject({
      type: 'NotFound',
      message: `GetTargetConfigs failed: ${text}: ${text}: configmaps "x" not found`,
    });
  });

  it.each([
    { kind: 'ConfigMap', optional: true, volume: { configMap: { name: 'x', optional: true } } },
    { kind: 'ConfigMap', optional: false, volume: { configMap: { name: 'x', optional: false } } },
    { kind: 'Secret', optional: true, volume: { secret: { secretName: 'x', optional: true } } },
    { kind: 'Secret', optional: false, volume: { secret: { secretName: 'x', optional: false } } },
  ])(
    'TestConfigTracker_HasConfigChanged_ShouldReturnErrorWhenAPIServerIsDown, Q24: an error is no absence, $kind, optional $optional',
    async ({ kind, volume }) => {
      const kubernetes = memoryKubernetes();
      kubernetes.failNext('get', kind, failure('Unavailable', 'connection refused'));
      const template = { spec: { volumes: [volume] } };
      await expect(tracker(kubernetes).collect(canary, template)).rejects.toMatchObject({ type: 'Unavailable' });
    },
  );
});

describe('the copies of the primary', () => {
  const copied = async (kubernetes: MemoryKubernetes, template: Loose, of = canary, prefixes = ['']) => {
    const one = tracker(kubernetes, { includeLabelPrefix: prefixes });
    const tracked = await one.collect(of, template);
    return { one, tracked, remarks: await one.copy(of, tracked) };
  };

  it('are what the rewritten template refers to, in every place', async () => {
    const kubernetes = memoryKubernetes(...everything());
    const { one, tracked } = await copied(kubernetes, everywhere());
    const expected = JSON.parse(
      JSON.stringify(everywhere()).replaceAll(/"([cs]-[a-z-]+)"/g, '"$1-primary"'),
    ) as unknown;
    expect(JSON.parse(JSON.stringify(one.rewrite(everywhere(), tracked)))).toEqual(expected);
    for (const place of places) {
      expect(kubernetes.peek('ConfigMap', `c-${place}-primary`)).toMatchObject({ data: { a: '1' } });
      expect(kubernetes.peek('Secret', `s-${place}-primary`)).toMatchObject({ data: { a: 'MQ==' }, type: 'Opaque' });
    }
  });

  it('belong to the Canary, with labels by prefix and no annotations', async () => {
    const metadata = { labels: { 'team.io/a': 'b', other: 'c' }, annotations: { note: 'n' } };
    const kubernetes = memoryKubernetes(configMap('settings', { a: '1' }, { metadata }));
    await copied(kubernetes, readsFrom('settings'), canary, ['team.io']);
    const copy = kubernetes.peek('ConfigMap', 'settings-primary')!;
    expect(copy.metadata).toMatchObject({ labels: { 'team.io/a': 'b' }, ownerReferences: byShop });
    expect(copy.metadata.annotations).toBeUndefined();
  });

  it('Q24: carry binary data, and are made anew where they never change', async () => {
    const original = configMap('settings', { a: '1' }, { binaryData: { b: 'AA==' }, immutable: true });
    const kubernetes = memoryKubernetes(original);
    await copied(kubernetes, readsFrom('settings'));
    expect(kubernetes.peek('ConfigMap', 'settings-primary')).toMatchObject({
      binaryData: { b: 'AA==' },
      immutable: true,
    });
    kubernetes.put({ ...original, data: { a: '2' } });
    await copied(kubernetes, readsFrom('settings'));
    expect(kubernetes.peek('ConfigMap', 'settings-primary')).toMatchObject({ data: { a: '2' }, immutable: true });
    expect(kubernetes.writes.slice(-2)).toEqual([
      'remove ConfigMap settings-primary',
      'create ConfigMap settings-primary',
    ]);
  });

  it('are written when they differ, and not again', async () => {
    const kubernetes = memoryKubernetes(configMap('settings', { a: '1' }));
    await copied(kubernetes, readsFrom('settings'));
    await copied(kubernetes, readsFrom('settings'));
    expect(kubernetes.writes).toEqual(['create ConfigMap settings-primary']);
  });

  it('TestConfigTracker_ConfigOwnerMultiDeployment: have several owners where they are shared', async () => {
    const kubernetes = memoryKubernetes(configMap('settings', { a: '1' }));
    await copied(kubernetes, readsFrom('settings'));
    const other = shopCanary({}, undefined, { name: 'cart', uid: 'cart-uid' });
    const { remarks: second } = await copied(kubernetes, readsFrom('settings'), other);
    const owners = kubernetes.peek('ConfigMap', 'settings-primary')!.metadata.ownerReferences!;
    expect(owners.map(({ name, controller }) => [name, controller])).toEqual([
      ['cart', true],
      ['shop', false],
    ]);
    expect(second).toEqual([
      'configmap settings-primary.prod is also read by the primary of canary shop, which gets what this one promotes when ' +
        'its pods start again; give each target an object of its own',
    ]);
    expect((await copied(kubernetes, readsFrom('settings'))).remarks).toHaveLength(1);
  });

  it('Q24: are not written over an object of somebody else', async () => {
    const kubernetes = memoryKubernetes(configMap('settings', { a: '1' }), configMap('settings-primary', { b: '2' }));
    await expect(copied(kubernetes, readsFrom('settings'))).rejects.toMatchObject({
      type: 'Conflict',
      message:
        'CreatePrimaryConfigs failed: configmap settings-primary.prod exists and belongs to no Canary: rename or delete ' +
        'it, or rename what the pods refer to',
    });
    expect(kubernetes.writes).toEqual([]);
  });

  it('tell whether they say what the originals say', async () => {
    const kubernetes = memoryKubernetes(configMap('settings', { a: '1' }));
    const { one, tracked } = await copied(kubernetes, readsFrom('settings'));
    const primary = one.rewrite(readsFrom('settings'), tracked);
    expect(await one.copies(canary, primary, tracked)).toEqual({ same: true, missing: [] });
    kubernetes.put(configMap('settings', { a: '2' }));
    const later = await one.collect(canary, readsFrom('settings'));
    expect(await one.copies(canary, primary, later)).toEqual({ same: false, missing: [] });
    // A primary of before tracking reads the originals.
    expect(await one.copies(canary, readsFrom('settings'), later)).toEqual({ same: true, missing: [] });
    await kubernetes.remove(resources.configMaps, 'prod', 'settings-primary');
    const { same, missing } = await one.copies(canary, primary, later);
    expect([same, missing.map(({ key }) => key)]).toEqual([false, ['configmap/settings']]);
  });
});
