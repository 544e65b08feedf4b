import { ApplicationFailure } from '@temporalio/common';

/** Every failure we raise, named for what should happen next. Told at length in docs/errors.md. */
export const failures = {
  InvalidSpec: { retry: false }, // the Canary asks for something that cannot work
  Unauthorized: { retry: false }, // credentials or RBAC need a person
  NotFound: { retry: true }, // a referenced object is not there yet
  Conflict: { retry: true }, // someone wrote the object since we read it, or owns its name
  Unavailable: { retry: true }, // a dependency is down, slow, or not answering as documented
} as const;

export type FailureType = keyof typeof failures;

/** The failure types Temporal must not retry: the `retry: false` rows of `failures`. */
export const nonRetryableTypes: readonly FailureType[] = (Object.keys(failures) as FailureType[]).filter(
  (type) => !failures[type].retry,
);

/**
 * Makes a failure that survives the trip between activity and workflow. Match on its `type`, never on its class or text.
 *
 * @param message what was attempted, on what, and what came back; it ends in workflow history, so never a secret
 * @param retryAfterMs when to try again, where the other side said so
 */
export function failure(
  type: FailureType,
  message: string,
  cause?: unknown,
  { retryAfterMs }: { readonly retryAfterMs?: number | undefined } = {},
): ApplicationFailure {
  return ApplicationFailure.create({
    type,
    message,
    nonRetryable: !failures[type].retry,
    cause: cause instanceof Error ? cause : undefined,
    ...(retryAfterMs === undefined ? {} : { nextRetryDelay: retryAfterMs }),
  });
}

/** The type of a failure of ours, or undefined for anything else, which is then a bug and not a condition of the world. */
export function failureType(error: unknown): FailureType | undefined {
  const type = error instanceof ApplicationFailure ? (error.type ?? undefined) : undefined;
  return type !== undefined && type in failures ? (type as FailureType) : undefined;
}

/** The text of anything thrown. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** With what is behind it: Temporal's client says only what it could not do, and why is in the cause. */
export function messageWithCause(error: unknown): string {
  const { cause } = (error ?? {}) as { cause?: unknown };
  return cause === undefined ? messageOf(error) : `${messageOf(error)}: ${messageOf(cause)}`;
}
