import type { Api } from './activities/api.ts';
import { autoscalerApis } from './activities/autoscalers/index.ts';
import { apisOf, routers } from './activities/routers/index.ts';

/** APIs of other products that Serin knows, each once: those of routers in the order of their index, then those of autoscalers. */
export const apis: readonly Api[] = [...apisOf(routers), ...autoscalerApis];
