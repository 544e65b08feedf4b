import type { CreateAutoscaler } from './autoscaler.ts';
import { createHpa } from './hpa.ts';
import { createScaledObject } from './scaled-object.ts';

/** Kinds of autoscaler by the name `autoscalerRef.kind` gives them. */
export const autoscalers: ReadonlyMap<string, CreateAutoscaler> = new Map([
  ['HorizontalPodAutoscaler', createHpa],
  ['ScaledObject', createScaledObject],
]);
