import { failureType } from '../../errors.ts';
import type { Canary } from '../../schemas/canary.ts';
import { primaryTargetName } from '../../schemas/defaults.ts';
import type { ConfigTracker } from '../configs/tracker.ts';
import { revisionOf } from '../revision.ts';
import type { PodTemplate } from './primary-template.ts';
import { fullName } from './target.ts';

/**
 * Makes copies of configuration anew that somebody deleted: without them no pod of the primary can start. Only what was
 * promoted is copied; an original that has changed since then is for a release to bring.
 *
 * @param primary the template that reads the copies
 * @param promoted the template that it was made of
 * @returns what could not be made, for people to read
 */
export async function restoreCopies(
  tracker: ConfigTracker,
  canary: Canary,
  primary: PodTemplate,
  promoted: PodTemplate,
): Promise<readonly string[]> {
  const tracked = await collected();
  if (!tracked) return [];
  const { missing } = await tracker.copies(canary, primary, tracked);
  const known = promotedChecksums(canary, promoted, tracked.checksums);
  const [same, changed] = [missing.filter(isPromoted), missing.filter((one) => !isPromoted(one))];
  const configs = new Map([...tracked.configs].filter(([, config]) => same.includes(config)));
  const remarks = await tracker.copy(canary, { configs }, 'keep');
  return [
    ...remarks,
    ...changed.map(
      ({ kind, name }) =>
        `${kind.toLowerCase()} ${fullName(canary, `${name}-primary`)} is missing, and ${name} is not known to be as it was ` +
        `when it was promoted: new pods of ${fullName(canary, primaryTargetName(canary))} cannot start before the next ` +
        `promotion; put ${name} back as it was to have it copied now`,
    ),
  ];

  /** An original that is gone, and that only the primary still reads, must not keep the rest from being mended. */
  async function collected() {
    try {
      return await tracker.collect(canary, promoted);
    } catch (error) {
      if (failureType(error) !== 'NotFound') throw error;
      return undefined;
    }
  }

  function isPromoted({ key, checksum }: (typeof missing)[number]): boolean {
    return known[key] === checksum;
  }
}

/** Between releases the status says them. In the midst of one, they are those that make the name of what was promoted. */
function promotedChecksums(
  { status }: Canary,
  promoted: PodTemplate,
  checksums: Readonly<Record<string, string>> = {},
): Readonly<Record<string, string>> {
  const { lastAppliedSpec, lastPromotedSpec = '', trackedConfigs } = status ?? {};
  if (lastPromotedSpec === '') return {};
  if (revisionOf(promoted, checksums) === lastPromotedSpec) return checksums;
  return lastAppliedSpec === lastPromotedSpec ? (trackedConfigs ?? {}) : {};
}
