import { expect, it } from '@jest/globals';
import { resources, type WatchEvent } from '../../src/clients/kubernetes.ts';
import { eventually, openCluster } from '../support/cluster.ts';

it('an API server sends no data of a Secret to whoever asks for metadata', async () => {
  const { kubernetes, namespace } = openCluster();
  const space = await namespace('metadata');
  const secret = {
    apiVersion: 'v1',
    kind: 'Secret',
    metadata: { name: 'key', namespace: space },
    stringData: { a: 'b' },
  };
  await kubernetes.create(resources.secrets, secret);
  const onlyMetadata = { ...resources.secrets, metadataOnly: true };
  const { items, metadata } = await kubernetes.list(onlyMetadata, space);
  expect(items.map((item) => [item.metadata.name, 'data' in item])).toEqual([['key', false]]);

  const seen: WatchEvent[] = [];
  const ending = new AbortController();
  const query = { resourceVersion: metadata.resourceVersion };
  const watched = kubernetes.watch(onlyMetadata, space, query, (event) => seen.push(event), ending.signal);
  await kubernetes.patch(resources.secrets, space, 'key', { metadata: { labels: { seen: 'yes' } } });
  await eventually('the change is seen', () => seen.length > 0);
  ending.abort();
  await watched;
  expect(seen.map(({ type, object }) => [type, object.metadata.labels, 'data' in object])).toEqual([
    ['MODIFIED', { seen: 'yes' }, false],
  ]);
});
