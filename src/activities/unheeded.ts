import type { Canary } from '../schemas/canary.ts';
import { validate } from '../schemas/validate.ts';
import { unheeded } from '../schemas/warnings.ts';
import type { Deps } from './deps.ts';
import { providers } from './routers/index.ts';

/**
 * What the Canary asks for and is not in force, such as a value that the CRD lets through and nobody can read: each
 * sentence says what is in force instead.
 */
export function unheededOf(canary: Canary, settings: Deps['settings']): readonly string[] {
  return validate(canary, { ...settings, providers }).flatMap(({ id, message }) => (unheeded.has(id) ? [message] : []));
}
