import type { CanaryStatus } from './observation.ts';

/** What became of a revision, as far as a status tells. */
export interface Became {
  readonly outcome: 'promoted' | 'rolled back' | 'superseded';
  readonly message: string;
}

/**
 * What is known of a revision; undefined while it is on its way. What the status says of another revision is no answer.
 *
 * @param target revision of the target, now
 * @param said message of the `Promoted` condition
 */
export function became(
  revision: string,
  { status, target, said }: { readonly status: CanaryStatus; readonly target: string; readonly said: string },
): Became | undefined {
  const { phase, lastAppliedSpec, lastPromotedSpec } = status;
  const isTaken = lastAppliedSpec === revision;
  if (isTaken && phase === 'Failed') return { outcome: 'rolled back', message: said };
  const isPromoting = phase === 'Promoting' || phase === 'Finalising' || phase === 'Initializing' || phase === '';
  // The hash goes with the copy to the primary: until the promotion is over nothing is decided.
  if (lastPromotedSpec === revision && !(isPromoting && isTaken)) return { outcome: 'promoted', message: said };
  if (target !== revision && !(isTaken && isPromoting)) {
    return { outcome: 'superseded', message: `the target has another revision now, ${target.slice(0, 15)}` };
  }
  return undefined;
}
