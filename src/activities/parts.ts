import { failure } from '../errors.ts';
import type { Canary } from '../schemas/canary.ts';
import { routerOf } from '../schemas/providers.ts';
import { targetKindOf } from '../schemas/targets.ts';
import type { Autoscaler } from './autoscalers/autoscaler.ts';
import { autoscalers } from './autoscalers/index.ts';
import type { Deps } from './deps.ts';
import { createClearMesh, type ClearMesh } from './leftovers.ts';
import { providers, routers } from './routers/index.ts';
import type { Router } from './routers/router.ts';
import { createServices, type Services } from './services.ts';
import type { Workload } from './workloads/workload.ts';
import { workloads } from './workloads/index.ts';

/**
 * Who carries out what a Canary asks for. A name that nobody answers to is refused with the names that are known;
 * nothing falls back to a favourite.
 */
export interface Parts {
  readonly services: Services;
  /** @throws `InvalidSpec` */
  workload(canary: Canary): Workload;
  /** Undefined when the Canary has no autoscaler. @throws `InvalidSpec` */
  autoscaler(canary: Canary): Autoscaler | undefined;
  /** @throws `InvalidSpec` */
  router(canary: Canary): Router;
  readonly clearMesh: ClearMesh;
}

export function createParts(deps: Deps): Parts {
  const made = {
    workloads: makeAll(workloads, deps),
    autoscalers: makeAll(autoscalers, deps),
    routers: new Map([...routers].map(([name, { create }]) => [name, create(deps)])),
  };
  return {
    services: createServices(deps.kubernetes),
    clearMesh: createClearMesh(deps),
    workload: ({ spec }) => pick(made.workloads, targetKindOf(spec.targetRef), 'spec.targetRef.kind'),
    autoscaler: ({ spec: { autoscalerRef } }) =>
      autoscalerRef && pick(made.autoscalers, autoscalerRef.kind, 'spec.autoscalerRef.kind'),
    router: (canary) => pick(made.routers, routerOf(canary, { ...deps.settings, providers }), 'spec.provider'),
  };
}

function makeAll<Part>(known: ReadonlyMap<string, (deps: Deps) => Part>, deps: Deps): ReadonlyMap<string, Part> {
  return new Map([...known].map(([name, create]) => [name, create(deps)]));
}

function pick<Part>(known: ReadonlyMap<string, Part>, name: string, field: string): Part {
  const part = known.get(name);
  if (part) return part;
  const names = [...known.keys()].join(', ');
  throw failure('InvalidSpec', `invalid canary spec: ${field} "${name}" is not supported, use one of: ${names}`);
}
