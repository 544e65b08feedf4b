import type { Resolution } from '../../images/registry.ts';
import type { ImagePush } from '../../workflows/image-push.ts';
import type { CanaryRef } from '../contract.ts';

/** What the workflows about images can ask the worker to do. Each may be repeated. */
export interface ImageActivities {
  /**
   * Asks the registry what the pushed tag points to now: with the credentials of the receiver, or, when it has none and
   * the registry wants some, with the pull secrets of a target that follows the repository.
   *
   * @throws `Unavailable` when the registry does not answer
   * @throws `InvalidSpec` when the worker's configuration has no such receiver
   */
  resolveImage(push: ImagePush): Promise<Resolution>;

  /** Canaries that follow this repository by this receiver, and those whose wishes cannot be read. */
  findTargets(push: ImagePush): Promise<readonly CanaryRef[]>;

  /**
   * Looks into the registry for what the policies of a Canary would take now.
   *
   * @throws `Unavailable` when the registry does not answer
   */
  seekImages(canary: CanaryRef, sought: Sought): Promise<Found>;

  /**
   * Judges the policies of a Canary once more and, if they say so, gives its target the image, together with what must
   * be remembered about it, in one patch. Anything that keeps it from doing so is in the result, not thrown.
   *
   * @throws `Conflict` when someone wrote the target since it was read
   */
  writeImage(canary: CanaryRef, change: ImageChange): Promise<ImageWritten>;
}

/** Which images of a Canary are looked for: one container's, or those of the repository that a push is about. */
export type Sought = { readonly container: string } | { readonly push: ImagePush };

export interface Found {
  /** What the policies would take. */
  readonly changes: readonly ImageChange[];
  /** Why nothing is taken, by container. */
  readonly reason?: string;
}

export interface ImageChange {
  readonly push: ImagePush;
  /** What the tag points to. */
  readonly digest: string;
  /** It waited before: for the end of a release, or for the events of other tags. */
  readonly queued?: boolean;
  /** What a mutable tag pointed to when it was first looked at: the point of comparison from now on, and no news. */
  readonly baseline?: boolean;
}

/** What became of a push at one target. */
export interface ImageWritten {
  /**
   * `written`: the pod template changed. `notified`: its owner was told to look. `queued`: it waits, for the end of a
   * release or for events of other tags of its repository. `unchanged`: nothing to do. `refused`: a person has to act. `failed`: it could not be tried.
   */
  readonly outcome: 'written' | 'notified' | 'queued' | 'unchanged' | 'refused' | 'failed';
  readonly reason?: string;
  /** Images written, by container. */
  readonly images?: Readonly<Record<string, string>>;
}
