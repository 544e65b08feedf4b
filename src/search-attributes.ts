import type { OperatorService } from '@temporalio/client';
import { messageOf } from './errors.ts';
import { searchAttributes } from './workflows/show.ts';

/** `IndexedValueType` of Temporal's API, by the words of its command line. */
const types = { KEYWORD: { code: 2, word: 'Keyword' }, INT: { code: 3, word: 'Int' } } as const;

interface Place {
  readonly operatorService: Pick<OperatorService, 'listSearchAttributes' | 'addSearchAttributes'>;
}

/** Attributes that the namespace does not know. A server that does not know one would hang every release at its first turn. */
export async function missingSearchAttributes(
  { operatorService }: Place,
  namespace: string,
): Promise<(keyof typeof searchAttributes)[]> {
  const { customAttributes } = await operatorService.listSearchAttributes({ namespace });
  const names = Object.keys(searchAttributes) as (keyof typeof searchAttributes)[];
  return names.filter((name) => !(searchAttributes[name].name in customAttributes));
}

/**
 * Registers what the namespace does not know yet. Several workers may do so at once.
 *
 * @returns what could not be registered, each with what to do about it
 */
export async function ensureSearchAttributes(place: Place, namespace: string): Promise<string[]> {
  const missing = await missingSearchAttributes(place, namespace);
  if (missing.length === 0) return [];
  let why = '';
  try {
    const wanted = missing.map((key) => [searchAttributes[key].name, types[searchAttributes[key].type].code] as const);
    const added = Object.fromEntries(wanted) as Record<string, number>;
    await place.operatorService.addSearchAttributes({ namespace, searchAttributes: added });
  } catch (error) {
    // Another worker may have been quicker; what matters is what is there now.
    why = messageOf(error);
  }
  return (await missingSearchAttributes(place, namespace)).map((key) => {
    const { name, type } = searchAttributes[key];
    return (
      `search attribute ${name} is missing${why ? ` and could not be registered (${why})` : ''}; ` +
      `run: temporal operator search-attribute create --namespace ${namespace} --name ${name} --type ${types[type].word}`
    );
  });
}
