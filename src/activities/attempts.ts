import { setTimeout as sleep } from 'node:timers/promises';
import { failure, failureType, messageOf } from '../errors.ts';

/**
 * Does `work`; a failure of ours comes out with `words` in front of its message, the way Flagger wraps errors: after a
 * colon, or without one where `words` end with a space. `after` follows it.
 */
export async function during<T>(words: string, work: () => T | Promise<T>, after = ''): Promise<T> {
  try {
    return await work();
  } catch (error) {
    const type = failureType(error);
    throw type ? failure(type, `${words}${words.endsWith(' ') ? '' : ': '}${messageOf(error)}${after}`, error) : error;
  }
}

/** Milliseconds after which a try is not repeated: whoever wrote in between may have been asked for something newer. */
const staleMs = 20_000;

/**
 * Does `work` again, from its first read on, while somebody else writes the object in between.
 *
 * @throws `Unavailable` when the process was held up for so long that what it was about to write may be out of date
 */
export async function retryOnConflict<T>(work: () => Promise<T>, attempts = 5): Promise<T> {
  const begunAt = Date.now();
  for (let attempt = 1; ; attempt++) {
    try {
      return await work();
    } catch (error) {
      if (failureType(error) !== 'Conflict' || attempt >= attempts) throw error;
      if (Date.now() - begunAt > staleMs)
        throw failure('Unavailable', `held up for too long: ${messageOf(error)}`, error);
      await sleep(10 * attempt);
    }
  }
}
