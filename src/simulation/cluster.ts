import type { ObservedWorkload, Observation, Readiness } from '../workflows/domain/observation.ts';
import type { Step } from '../workflows/domain/plan.ts';
import type { Act, Behaviour, Line, Script, State } from './script.ts';

/** What a play has on its stage. */
export interface Simulated {
  readonly world: State;
  readonly script: Script;
  readonly lines: Line[];
}

const podTick = 1;

/** The Canary that a script is about. */
export function canaryOf({ canary = { namespace: 'prod', name: 'shop' } }: Script): NonNullable<Script['canary']> {
  return canary;
}

/** What a look at this world tells. */
export function observe({ world, script }: Simulated, metricsProviders: boolean): Observation {
  if (world.deleted) return { drift: [] };
  const { settings, generation, status, stalled, unheeded, warned } = world;
  const { deleting, finalizer } = world;
  const canary = { uid: 'uid', generation, deleting, finalizer, settings, status, stalled, unheeded, warned };
  if (world.targetMissing) {
    const { kind, name } = settings.target;
    const plural = `${kind.toLowerCase()}s.apps`;
    const message = `${kind.toLowerCase()} ${name}.${canaryOf(script).namespace} get query error: ${plural} "${name}" not found`;
    return { canary, drift: [], problem: { reason: 'NotFound', message } };
  }
  return {
    canary,
    target: {
      revision: world.targetRevision,
      ...(world.author === undefined ? {} : { author: world.author }),
      ...podsOf(world, script, {
        what: canaryText(world, script),
        replicas: world.targetReplicas,
        short: world.targetDown ? world.targetReplicas : world.targetShort,
        readyAt: world.targetReadyAt,
        since: world.targetSince,
      }),
    },
    ...(world.primaryRevision === undefined
      ? {}
      : {
          primary: {
            revision: `primary/${world.primaryRevision}`,
            ...podsOf(world, script, {
              what: primaryText(world, script),
              replicas: world.primaryReplicas,
              short: world.primaryAvailable ? world.primaryShort : world.primaryReplicas,
              readyAt: world.primaryReadyAt,
              since: world.primarySince,
            }),
            equalsTarget: world.primaryRevision === world.targetRevision,
            ours: world.primaryOurs,
          },
        }),
    routes: world.routes,
    drift: world.drift,
    ...(metricsProviders ? { metricsProviders: { error: script.metricsDown?.(world.now) } } : {}),
  };
}

interface Pods {
  readonly what: string;
  readonly replicas: number;
  /** How many are missing of those that were up. */
  readonly short: number;
  readonly readyAt: number;
  readonly since: number;
}

/** Pods that are lost come back, whatever the deadline; a rollout that does not get there fails by it. */
function podsOf(
  world: State,
  script: Script,
  { what, replicas, short, readyAt, since }: Pods,
): Pick<ObservedWorkload, 'replicas' | 'available' | 'readiness'> {
  const { now, settings } = world;
  const isRolledOut = readyAt <= now;
  const available = isRolledOut ? Math.max(0, replicas - short) : 0;
  if (isRolledOut && available === replicas) return { replicas, available, readiness: { ready: true } };
  const isDown = short > 0 && short >= replicas;
  const retriable = isRolledOut || isDown || now - since < settings.progressDeadlineSeconds * 1000;
  const { cause } = script.behaviour(world.targetRevision);
  const unready = notReady(`${what} not ready: ${waitingText(available, replicas)}`, retriable);
  return { replicas, available, readiness: { ...unready, ...(retriable ? {} : { cause }) } };
}

/** Does one step of a plan, as an API server would let it; a text says why it could not. */
export function doStep({ world, script, lines }: Simulated, step: Step): string | undefined {
  const now = world.now;
  switch (step.do) {
    case 'ensure-autoscaler':
    case 'ensure-services':
    case 'ensure-apex':
      // An autoscaler that decides alone again comes, for the load there is, to what it had come to before.
      if (step.do === 'ensure-autoscaler' && step.floor === 0)
        world.primaryReplicas = script.start?.primaryReplicas ?? 1;
      world.drift = world.drift.filter((object) => !object.startsWith('Service'));
      return;
    case 'ensure-primary':
      if (world.primaryRevision === undefined || (world.status.phase === 'Initializing' && world.primaryOurs)) {
        if (world.primaryRevision !== world.targetRevision) rollPrimary(world, script, world.targetRevision);
      }
      return;
    case 'ensure-routes':
    case 'set-weights':
      if (world.routes?.canary !== step.weights.canary || world.routes.mirrored !== step.weights.mirrored) {
        lines.push({ at: now, kind: 'weights', ...step.weights });
      }
      // Without a router that divides traffic all of it stays where it is.
      world.routes = world.settings.splitsTraffic ? step.weights : { primary: 100, canary: 0 };
      world.cookies = step.cookies;
      world.weights = step.weights;
      world.drift = [];
      return;
    case 'scale-target':
      if (step.to === 'zero') {
        world.targetReplicas = 0;
        world.targetReadyAt = 0;
        world.targetShort = 0;
      } else if (world.targetReplicas === 0) {
        world.targetReplicas = 1;
        rollTarget(world, script.behaviour);
      }
      return;
    case 'promote':
      if (world.targetRevision !== step.revision) return 'the target changed';
      world.primaryReplicas = Math.max(world.primaryReplicas, step.replicas ?? 0);
      rollPrimary(world, script, step.revision);
      return;
    case 'write-status': {
      const { condition, stalled, warned, ...fields } = step.status;
      const before = world.status;
      world.status = { ...before, ...fields };
      if (condition) world.condition = `${condition.status}/${condition.reason}`;
      if (stalled !== undefined) world.stalled = stalled?.message;
      if (warned !== undefined) world.warned = warned ?? undefined;
      if (JSON.stringify(before) !== JSON.stringify(world.status)) {
        const { status } = world;
        lines.push({ at: now, kind: 'phase', phase: status.phase, status, condition: world.condition });
      }
      return;
    }
    case 'revert-target':
      if (world.targetReplicas === 0) {
        world.targetReplicas = 1;
        rollTarget(world, script.behaviour);
      }
      return;
    case 'revert-apex':
    case 'revert-routes':
      lines.push({ at: now, kind: 'reverted', what: step.do });
      return;
    case 'set-finalizer':
      world.finalizer = step.present;
      if (world.deleting && !step.present) {
        world.deleted = true;
        lines.push({ at: now, kind: 'reverted', what: 'gone' });
      }
      return;
    case 'record-event':
      lines.push({ at: now, kind: 'event', type: step.event.type, message: step.event.message });
      return;
  }
}

function rollPrimary(world: State, script: Script, revision: string): void {
  world.primaryRevision = revision;
  world.primarySince = world.now;
  const behaviour = script.behaviour(revision);
  world.primaryReadyAt = behaviour.failsAsPrimary ? Infinity : readyAt(behaviour, world.now);
}

function canaryText({ settings }: State, script: Script): string {
  return `canary ${settings.target.kind.toLowerCase()} ${settings.target.name}.${canaryOf(script).namespace}`;
}

function primaryText({ settings }: State, script: Script): string {
  return `${settings.target.name}-primary.${canaryOf(script).namespace}`;
}

function waitingText(available: number, replicas: number): string {
  return `waiting for rollout to finish: ${available} of ${replicas} (readyThreshold 100%) updated replicas are available`;
}

function notReady(message: string, retriable: boolean): Readiness {
  return { ready: false, retriable, message, rolledOut: false };
}

function readyAt({ readyAfterMs }: Behaviour, now: number): number {
  return readyAfterMs === 'never' ? Infinity : now + Math.max(podTick, readyAfterMs);
}

/** What a new template, or pods that start, do to the target. */
export function rollTarget(world: State, behaviour: Script['behaviour']): void {
  world.targetSince = world.now;
  world.targetReadyAt = world.targetReplicas > 0 ? readyAt(behaviour(world.targetRevision), world.now) : 0;
}

/** Someone sets another image. */
export function setRevision(revision: string, behaviour: Script['behaviour']): Act['do'] {
  return (world) => {
    world.targetRevision = revision;
    rollTarget(world, behaviour);
  };
}
