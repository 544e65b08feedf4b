import type { Resolution } from '../images/registry.ts';
import type { ImagePush } from '../workflows/image-push.ts';
import type { CanaryRef } from './contract.ts';

/** What the `imagePush` workflow can ask the worker to do. Each may be repeated. */
export interface ImageActivities {
  /**
   * Asks the registry, with one HEAD, what the pushed tag points to now.
   *
   * @throws `Unavailable` when the registry does not answer
   * @throws `InvalidSpec` when the worker's configuration has no such receiver
   */
  resolveImage(push: ImagePush): Promise<Resolution>;

  /** Canaries in the receiver's namespaces with a policy for a container whose image is of this repository. */
  findTargets(push: ImagePush): Promise<readonly CanaryRef[]>;

  /**
   * Judges the policies of a Canary once more and, if they say so, gives its target the image, together with what must
   * be remembered about it, in one patch. Anything that keeps it from doing so is in the result, not thrown.
   *
   * @throws `Conflict` when someone wrote the target since it was read
   */
  writeImage(canary: CanaryRef, change: ImageChange): Promise<ImageWritten>;
}

export interface ImageChange {
  readonly push: ImagePush;
  /** What the tag points to. */
  readonly digest: string;
}

/** What became of a push at one target. */
export interface ImageWritten {
  /** `written`: the pod template changed. `unchanged`: nothing to do. `refused`: a person has to act. `failed`: it could not be tried. */
  readonly outcome: 'written' | 'unchanged' | 'refused' | 'failed';
  readonly reason?: string;
  /** Images written, by container. */
  readonly images?: Readonly<Record<string, string>>;
}
