import { isObject } from './compare.ts';

/**
 * Requests for which one of `asked` holds and one of the service's own matches: every combination. Where both speak of
 * one field, such as headers, `asked` has it. Without a match of the service the route is for everybody.
 *
 * @see routers spec 5; query parameters and paths are ours: without them a condition that is left out would widen the test
 */
export function merged(asked: readonly object[], own: readonly object[]): readonly object[] {
  return own.length > 0 ? asked.flatMap((one) => own.map((other) => ({ ...other, ...present(one) }))) : asked;
}

/** Without the fields that are unset or empty. */
export function present<T extends object>(fields: T): Partial<T> {
  const isPresent = (value: unknown) =>
    Array.isArray(value) ? value.length > 0 : isObject(value) ? Object.keys(value).length > 0 : Boolean(value);
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => isPresent(value))) as Partial<T>;
}
