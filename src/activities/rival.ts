import type { KubernetesObject } from '../clients/kubernetes.ts';
import { fieldManager } from '../config/settings.ts';
import { flagger } from './ownership.ts';

/** Milliseconds for which a write shows that its writer is at work: a release may have an interval of many minutes. */
const recentMs = 3600_000;

/**
 * What to tell when Flagger works on a Canary that Serin works on too: it has written the status since Serin did, and both
 * did lately. A Canary that was handed over from one to the other shows only one of them for long.
 */
export function rivalRemark({ metadata }: KubernetesObject, now: number): string | undefined {
  const lastWrite = (writer: string) => {
    const times = (metadata.managedFields ?? [])
      .filter(({ manager, subresource }) => manager === writer && subresource === 'status')
      .map(({ time = '' }) => Date.parse(time))
      .filter((time) => time > now - recentMs);
    return times.length > 0 ? Math.max(...times) : undefined;
  };
  const [theirs, mine] = [lastWrite(flagger), lastWrite(fieldManager)];
  if (theirs === undefined || mine === undefined || theirs <= mine) return undefined;
  return (
    `Flagger has written the status of this canary since Serin did: two controllers move its traffic; stop one of them, ` +
    `or let each watch namespaces of its own`
  );
}
