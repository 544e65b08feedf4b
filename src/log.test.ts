import { describe, expect, it } from '@jest/globals';
import { canaryField, createLog, withLogFields } from './log.ts';

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

  it('say which work they belong to, wherever they are written', async () => {
    const { log, written } = lines('info');
    await withLogFields({ release: 'release/shop/cart' }, async () => {
      await Promise.resolve();
      withLogFields({ trace_id: 'a' }, () => log.info('inner', { canary: 'cart.shop' }));
      log.info('outer');
    });
    log.info('outside');
    expect(written.map(({ ts: _, level: _level, ...rest }) => rest)).toEqual([
      { msg: 'inner', release: 'release/shop/cart', trace_id: 'a', canary: 'cart.shop' },
      { msg: 'outer', release: 'release/shop/cart' },
      { msg: 'outside' },
    ]);
  });

  it('can be lines for people', () => {
    const written: string[] = [];
    createLog('info', (line) => written.push(line), 'pretty').warn('watch failed', {
      resource: 'canaries',
      error: 'a b',
    });
    expect(written[0]).toMatch(/^\S+Z WARN {2}watch failed resource=canaries error="a b"$/);
  });
});
