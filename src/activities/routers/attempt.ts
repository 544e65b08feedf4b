import { failure, failureType, messageOf } from '../../errors.ts';

/** Does some work, often a call to the API server; its failure keeps its type and begins with `text`. */
export async function attempt<T>(text: string, work: () => T | Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    const type = failureType(error);
    if (!type) throw error;
    throw failure(type, `${text} ${messageOf(error)}`, error);
  }
}
