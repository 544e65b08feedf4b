import { afterEach, describe, expect, it, jest } from '@jest/globals';
import { failure } from '../errors.ts';
import { retryOnConflict } from './attempts.ts';

afterEach(() => void jest.restoreAllMocks());

describe('a write that somebody else was faster with', () => {
  it('is worked out anew, a few times', async () => {
    let tries = 0;
    const work = () => (++tries < 4 ? Promise.reject(failure('Conflict', 'modified')) : Promise.resolve('written'));
    expect(await retryOnConflict(work)).toBe('written');
    await expect(retryOnConflict(() => Promise.reject(failure('Conflict', 'modified')))).rejects.toMatchObject({
      type: 'Conflict',
    });
  });

  it('is not made by a process that was frozen meanwhile: it may be out of date', async () => {
    let tries = 0;
    const clock = jest.spyOn(Date, 'now').mockReturnValue(1_000_000);
    const frozen = retryOnConflict(() => {
      tries += 1;
      clock.mockReturnValue(1_030_000);
      return Promise.reject(failure('Conflict', 'modified'));
    });
    await expect(frozen).rejects.toMatchObject({ type: 'Unavailable', message: 'held up for too long: modified' });
    expect(tries).toBe(1);
  });
});
