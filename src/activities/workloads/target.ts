import type { Canary } from '../../schemas/canary.ts';

/** Nobody is sent to the primary yet, so that it may still follow the target. */
export function isInitializing({ status }: Canary): boolean {
  const phase = status?.phase ?? '';
  return phase === '' || phase === 'Initializing';
}

/** As event texts name an object of a Canary's namespace. */
export function fullName({ metadata }: Canary, name: string): string {
  return `${name}.${metadata.namespace}`;
}
