import { describe, expect, it } from '@jest/globals';
import { shopCanary } from '../../test/support/shop.ts';
import { rivalRemark } from './rival.ts';

const now = Date.parse('2026-05-04T09:00:00Z');
const wrote = (manager: string, secondsAgo: number, subresource = 'status') => ({
  manager,
  subresource,
  time: new Date(now - secondsAgo * 1000).toISOString().replace('.000', ''),
});
const remark = (...managedFields: object[]) => rivalRemark(shopCanary({}, {}, { managedFields }), now);

describe('Flagger beside Serin', () => {
  it('is told when it has written a status that Serin wrote a while before', () => {
    expect(remark(wrote('serin', 30), wrote('flagger', 10))).toMatch(/^Flagger has written .*stop one of them/);
  });

  it.each<[string, object[]]>([
    ['Serin took over', [wrote('flagger', 30), wrote('serin', 10)]],
    ['Serin has not written yet', [wrote('flagger', 10)]],
    ['Flagger never wrote', [wrote('serin', 10), wrote('kubectl', 1)]],
    ['Flagger took over a good while ago', [wrote('serin', 90_000), wrote('flagger', 80_000)]],
    ['it was handed back after a good while', [wrote('serin', 90_000), wrote('flagger', 10)]],
    ['Flagger wrote something else', [wrote('serin', 30), wrote('flagger', 10, '')]],
    ['nobody wrote anything', []],
  ])('is not told when %s', (_, managedFields) => {
    expect(remark(...managedFields)).toBeUndefined();
  });
});
