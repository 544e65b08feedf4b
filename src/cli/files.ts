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

/** The objects of a file of manifests, those of lists among them. @throws CommandError when it is no YAML */
export function objectsIn(file: string): readonly unknown[] {
  const text = readText(file);
  try {
    return parseAllDocuments(text).flatMap((document) => {
      if (document.errors[0]) throw document.errors[0];
      return unfolded(document.toJS());
    });
  } catch (error) {
    throw new CommandError(`${file}: ${messageOf(error)}`);
  }
}

/** What `kubectl get -o yaml` prints of several objects is one object of kind List, which may hold lists. */
function unfolded(object: unknown): readonly unknown[] {
  if (object === null) return [];
  const { kind, items } = object as { readonly kind?: unknown; readonly items?: unknown };
  return kind === 'List' && Array.isArray(items) ? items.flatMap(unfolded) : [object];
}
