import { failure } from '../../errors.ts';
import type { CanaryService } from '../../schemas/canary.ts';

/** A condition of an HTTPRoute. */
export interface Match {
  readonly path?: { readonly type: string; readonly value: string };
  readonly method?: string;
  readonly headers?: readonly NamedValue[];
  readonly queryParams?: readonly NamedValue[];
}

interface NamedValue {
  readonly type: string;
  readonly name: string;
  readonly value: string;
}

type Condition = NonNullable<CanaryService['match']>[number];
interface Text {
  readonly exact?: string;
  readonly prefix?: string;
  readonly regex?: string;
}

/**
 * Istio's conditions in the words of the Gateway API. It has no words for schemes, authorities, ports, labels and the
 * like: those are left out, as Flagger leaves them out, but a condition of an A/B test of which nothing would be left is
 * refused, for the test would have all users.
 *
 * @throws `InvalidSpec` with Flagger's words
 * @see routers spec 7.2
 */
export function matchesOf(conditions: readonly Partial<Condition>[], of: 'service' | 'analysis'): readonly Match[] {
  const field = `spec.${of}.match`;
  return conditions.flatMap((condition, index) => {
    const match = matchOf(condition, `${field}[${index}]`);
    if (Object.keys(match).length > 0) return [match];
    if (of === 'service') return [];
    const text = `Gateway API doesn't support the specified matching selector: ${JSON.stringify(condition)}`;
    throw refusal(text, `${field}[${index}]`, 'write headers or queryParams');
  });
}

function matchOf({ uri, method, headers, queryParams }: Partial<Condition>, field: string): Match {
  return {
    ...(uri ? { path: pathOf(uri, field) } : {}),
    ...(method ? { method: methodOf(method, field) } : {}),
    ...(headers ? { headers: namedValues(headers, `${field}.headers`, 'header') } : {}),
    ...(queryParams ? { queryParams: namedValues(queryParams, `${field}.queryParams`, 'query') } : {}),
  };
}

function pathOf({ regex, exact, prefix, ...others }: Text, field: string): NonNullable<Match['path']> {
  if (regex) return { type: 'RegularExpression', value: regex };
  if (exact) return { type: 'Exact', value: exact };
  if (prefix) return { type: 'PathPrefix', value: prefix };
  const text = `Gateway API doesn't support the specified path matching selector: ${JSON.stringify(others)}`;
  throw refusal(text, `${field}.uri`, 'write exact, prefix or regex');
}

function methodOf(method: Text, field: string): string {
  if (method.exact) return method.exact;
  const text = `Gateway API doesn't support the specified header matching selector: ${JSON.stringify(method)}`;
  throw refusal(text, `${field}.method`, 'write exact');
}

/** Sorted, so that equal Canaries make equal routes. */
function namedValues(values: Readonly<Record<string, Text>>, field: string, what: 'header' | 'query'): NamedValue[] {
  return Object.keys(values)
    .sort()
    .map((name) => {
      const { exact, regex } = values[name]!;
      if (exact) return { type: 'Exact', name, value: exact };
      if (regex) return { type: 'RegularExpression', name, value: regex };
      const text = `Gateway API doesn't support the specified ${what} matching selector: ${JSON.stringify(values)}`;
      throw refusal(text, `${field}.${name}`, 'write exact or regex');
    });
}

function refusal(text: string, field: string, cure: string) {
  return failure('InvalidSpec', `Invalid request matching selectors: ${text}; in ${field}, ${cure}`);
}
