import { describe, expect, it } from '@jest/globals';
import { canaryField, createLog } from './log.ts';

function lines(level: 'debug' | 'info' | 'warn' | 'error') {
  const written: Record<string, unknown>[] = [];
  const log = createLog(level, (line) => written.push(JSON.parse(line) as Record<string, unknown>));
  return { log, written };
}

describe('log lines', () => {
  it('have Flagger’s keys', () => {
    const { log, written } = lines('info');
    log.info('weights set', { canary: canaryField({ namespace: 'shop', name: 'podinfo' }), canaryWeight: 20 });
    expect(written).toEqual([
      {
        level: 'info',
        ts: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/),
        msg: 'weights set',
        canary: 'podinfo.shop',
        canaryWeight: 20,
      },
    ]);
  });

  it('leave out what is less serious than asked for', () => {
    const { log, written } = lines('warn');
    for (const level of ['debug', 'info', 'warn', 'error'] as const) log[level](level);
    expect(written.map(({ msg }) => msg)).toEqual(['warn', 'error']);
  });

  it('keep the text of errors, and their own keys', () => {
    const { log, written } = lines('info');
    log.error('failed', { error: new Error('refused'), level: 'debug', msg: 'other' });
    expect(written[0]).toMatchObject({ level: 'error', msg: 'failed', error: 'refused' });
  });
});
