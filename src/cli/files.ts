import { readFileSync } from 'node:fs';
import { parseAllDocuments } from 'yaml';
import { messageOf } from '../errors.ts';
import { CommandError } from './command.ts';

/** @throws CommandError when it cannot be read; "-" is stdin */
export function readText(file: string): string {
  try {
    return readFileSync(file === '-' ? 0 : file, 'utf8');
  } catch (error) {
    throw new CommandError(`${file}: ${messageOf(error)}`);
  }
}

/** The objects of a file of manifests. @throws CommandError when it is no YAML */
export function objectsIn(file: string): readonly unknown[] {
  const text = readText(file);
  try {
    return parseAllDocuments(text).flatMap((document) => {
      if (document.errors[0]) throw document.errors[0];
      const object: unknown = document.toJS();
      return object === null ? [] : [object];
    });
  } catch (error) {
    throw new CommandError(`${file}: ${messageOf(error)}`);
  }
}
