import type { ObjectMeta } from '../../clients/kubernetes.ts';

/**
 * While a release lasts, its primary must not be scaled in below what it needs to take all traffic back: a
 * promotion onto one pod is an outage. The number stands on the primary's scaler, so that every later look and write
 * knows of it, also in another process.
 */
const floorAnnotation = 'serin.dev/minimum-replicas';

/** The floor in force on a scaler; 0 when there is none. */
export function floorOf({ annotations }: ObjectMeta): number {
  const floor = Number(annotations?.[floorAnnotation]);
  return Number.isInteger(floor) && floor > 0 ? floor : 0;
}

/** The annotations of a scaler with this floor in force. */
export function withFloor(annotations: ObjectMeta['annotations'], floor: number): Record<string, string> {
  const { [floorAnnotation]: _, ...others } = annotations ?? {};
  return floor > 0 ? { ...others, [floorAnnotation]: String(floor) } : others;
}

/** The minimum of a scaler with this floor in force: never above its own maximum. */
export function raised(minimum: number, maximum: number, floor: number): number {
  return Math.max(minimum, Math.min(floor, maximum));
}
