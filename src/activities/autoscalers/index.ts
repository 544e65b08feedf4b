import type { Api } from '../api.ts';
import type { CreateAutoscaler } from './autoscaler.ts';
import { createHpa } from './hpa.ts';
import { createScaledObject, keda } from './scaled-object.ts';

/** Kinds of autoscaler by the name `autoscalerRef.kind` gives them. */
export const autoscalers: ReadonlyMap<string, CreateAutoscaler> = new Map([
  ['HorizontalPodAutoscaler', createHpa],
  ['ScaledObject', createScaledObject],
]);

/** APIs of other products that these work with. */
export const autoscalerApis: readonly Api[] = [keda];
