import { createHmac } from 'node:crypto';
import { matchesOne, type Credential, type CredentialDeps } from './credential.ts';

/** Which of a receiver's addresses count. */
export interface Generations {
  /** Counted up to give the receiver another address. */
  readonly generation: number;
  /** The address before that one counts as well, while the sender is being told. */
  readonly acceptPrevious: boolean;
}

/**
 * The secret end of an address, for senders that can send nothing but a body to an address: 256 bits, from a key that
 * never leaves us.
 */
export function capabilityToken(key: string, receiver: string, generation: number): string {
  return createHmac('sha256', key).update(`${receiver}:${generation}`).digest('base64url');
}

/** Whoever knows the address may call: `/hooks/v1/<receiver>/<token>`. */
export function capability(deps: CredentialDeps, valid: Generations): Credential {
  return {
    refusal: 404,
    check: async ({ pathToken }) =>
      (await isAddress(pathToken, deps, valid)) ? { trust: 'capability-url' } : { refused: 'address' },
  };
}

/** Whether a path ends as an address of the receiver does. */
export async function isAddress(
  pathToken = '',
  { receiver, secrets }: Pick<CredentialDeps, 'receiver' | 'secrets'>,
  valid: Generations,
): Promise<boolean> {
  const generations = valid.acceptPrevious ? [valid.generation, valid.generation - 1] : [valid.generation];
  const keys = await secrets();
  const known = generations.filter((generation) =>
    matchesOne(pathToken, keys, (key) => capabilityToken(key, receiver, generation)),
  );
  return known.length > 0;
}
