import { expect, it } from '@jest/globals';
import { webhookChecksum } from './checksum.ts';

it.each([
  [{ trackedConfigs: { 'test-config-map': '484637c76acaa7c6' }, lastAppliedSpec: '4cb74184589' }, '569bdb7cb9'],
  [{ lastAppliedSpec: '4cb74184589' }, '7c9d467496'],
  [{ trackedConfigs: {}, lastAppliedSpec: '4cb74184589' }, '56966965f5'],
  [
    {
      trackedConfigs: { 'secret/b': '484637c76acaa7c6', 'configmap/a': '9fc3a7c76acaa7c6' },
      lastAppliedSpec: '4cb74184589',
    },
    '548bfbf6d9',
  ],
  [{ lastAppliedSpec: '' }, '758df7c9fc'],
  [{}, '758df7c9fc'],
])('TestCanaryChecksum: %j has the checksum that Flagger gives it, %s', (status, checksum) => {
  expect(webhookChecksum(status)).toBe(checksum);
});

it('the order in which configs are stored does not matter', () => {
  const one = webhookChecksum({ trackedConfigs: { b: '1', a: '2' } });
  expect(webhookChecksum({ trackedConfigs: { a: '2', b: '1' } })).toBe(one);
});
