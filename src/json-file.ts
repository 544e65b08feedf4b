import { readFile } from 'node:fs/promises';
import { z } from 'zod';
import { failure, messageOf } from './errors.ts';

/**
 * Reads a file of settings that are too large for a variable.
 *
 * @param what the file is called in errors, such as `receivers file`
 * @throws `InvalidSpec` naming the file, and the entry and field that is wrong
 */
export async function readJsonFile<T extends z.ZodType>(what: string, path: string, schema: T): Promise<z.output<T>> {
  let json: unknown;
  try {
    json = JSON.parse(await readFile(path, 'utf8'));
  } catch (error) {
    throw failure('InvalidSpec', `${what} ${path}: ${messageOf(error)}`, error);
  }
  const parsed = schema.safeParse(json);
  if (parsed.success) return parsed.data;
  throw failure('InvalidSpec', `${what} ${path} is not usable:\n${z.prettifyError(parsed.error)}`);
}
