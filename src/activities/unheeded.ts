import type { Canary } from '../schemas/canary.ts';
import { validate } from '../schemas/validate.ts';
import type { Deps } from './deps.ts';
import { providers } from './routers/index.ts';

/** Values that the CRD lets through and nobody can read: something else is in force, and each sentence says what. */
export function unheededOf(canary: Canary, settings: Deps['settings']): readonly string[] {
  return validate(canary, { ...settings, providers }).flatMap(({ id, message }) =>
    id === 'duration-unreadable' ? [message] : [],
  );
}
