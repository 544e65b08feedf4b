import { setTimeout as sleep } from 'node:timers/promises';
import { failure, failureType, messageOf } from '../errors.ts';

/** Does `work`; a failure of ours comes out with `words` in front of its message, the way Flagger wraps errors. */
export async function during<T>(words: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    const type = failureType(error);
    throw type ? failure(type, `${words}: ${messageOf(error)}`, error) : error;
  }
}

/** Does `work` again, from its first read on, while somebody else writes the object in between. */
export async function retryOnConflict<T>(work: () => Promise<T>, attempts = 5): Promise<T> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await work();
    } catch (error) {
      if (failureType(error) !== 'Conflict' || attempt >= attempts) throw error;
      await sleep(10 * attempt);
    }
  }
}
