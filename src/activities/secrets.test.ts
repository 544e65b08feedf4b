import { expect, it } from '@jest/globals';
import { memoryKubernetes } from '../../test/support/memory-kubernetes.ts';
import { failureType } from '../errors.ts';
import { readSecret } from './secrets.ts';

const base64 = (text: string) => Buffer.from(text).toString('base64');

it('entries are decoded, each without the one line break that an editor left', async () => {
  const cluster = memoryKubernetes({
    apiVersion: 'v1',
    kind: 'Secret',
    metadata: { name: 'login', namespace: 'prod' },
    data: { token: base64('abc\n'), address: base64('http://x\r\n'), note: base64('a\n\n'), plain: base64('é ') },
  });
  expect(await readSecret(cluster, 'prod', 'login')).toEqual({
    token: 'abc',
    address: 'http://x',
    note: 'a\n',
    plain: 'é ',
  });
});

it('a Secret without data has no entries', async () => {
  const cluster = memoryKubernetes({
    apiVersion: 'v1',
    kind: 'Secret',
    metadata: { name: 'login', namespace: 'prod' },
  });
  expect(await readSecret(cluster, 'prod', 'login')).toEqual({});
});

it('a Secret that is missing is named', async () => {
  const error = await readSecret(memoryKubernetes(), 'prod', 'login').catch((thrown: Error) => thrown);
  expect([failureType(error), (error as Error).message]).toEqual(['NotFound', 'secrets "login" not found']);
});
