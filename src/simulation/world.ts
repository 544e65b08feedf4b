import { begin, decide, outcome } from '../workflows/domain/release.ts';
import { evolve } from '../workflows/domain/evolve.ts';
import type {
  CanaryStatus,
  Observation,
  Phase,
  Readiness,
  Settings,
  Weights,
} from '../workflows/domain/observation.ts';
import type { Order, OrderKind } from '../workflows/domain/orders.ts';
import type { HookAnswer, HookCall, PlanFailure, Reading, Step } from '../workflows/domain/plan.ts';
import type { Action, Event, Outcome, Release } from '../workflows/domain/state.ts';

/** How pods of a revision behave. */
export interface Behaviour {
  /** Milliseconds from start to available; `never` for pods that do not become ready. */
  readonly readyAfterMs: number | 'never';
  /** What metric checks read while traffic reaches this revision, by check name; undefined is "no values". */
  readonly readings?: Readonly<Record<string, number | undefined>>;
}

/** A world in which a release is played, without servers and without waiting. */
export interface Script {
  readonly settings: Settings;
  /** What the target runs at the start. */
  readonly revision: string;
  readonly behaviour: (revision: string) => Behaviour;
  /** What a hook answers; undefined is yes, a text is a refusal. */
  readonly hook?: (call: HookCall, now: number, world: Readonly<State>) => string | undefined;
  /** Why readings cannot be had at this time; undefined when they can. */
  readonly metricsDown?: (now: number) => string | undefined;
  /** What happens from outside, at these milliseconds. */
  readonly acts?: readonly Act[];
  /** Where the play starts instead of a Canary that was just applied. */
  readonly start?: Partial<Pick<State, 'status' | 'weights' | 'primaryRevision' | 'targetReplicas'>>;
  /** Milliseconds after which the play is cut, in case it does not end. */
  readonly endMs?: number;
}

export interface Act {
  readonly atMs: number;
  readonly do: (world: State) => void;
  /** Something that watches the cluster would see this, and hint. */
  readonly hints?: boolean;
  readonly order?: { readonly kind: OrderKind; readonly order: Order };
  /** A worker was lost: the release is begun again from what the cluster holds. */
  readonly forget?: boolean;
}

export interface State {
  now: number;
  settings: Settings;
  generation: number;
  deleted: boolean;
  targetMissing: boolean;
  targetRevision: string;
  targetReplicas: number;
  targetReadyAt: number;
  targetSince: number;
  primaryRevision: string | undefined;
  primaryReadyAt: number;
  primarySince: number;
  routes: Weights | undefined;
  weights: Weights;
  status: CanaryStatus;
  stalled: string | undefined;
  drift: string[];
  /** Makes the next plan step of this kind fail. */
  breakStep: { do: Step['do']; reason: string; message: string } | undefined;
  primaryAvailable: boolean;
}

/** One line of what happened. */
export type Line =
  | { readonly at: number; readonly kind: 'event'; readonly type: 'Normal' | 'Warning'; readonly message: string }
  | { readonly at: number; readonly kind: 'weights'; readonly primary: number; readonly canary: number }
  | { readonly at: number; readonly kind: 'phase'; readonly phase: Phase; readonly status: CanaryStatus }
  | { readonly at: number; readonly kind: 'action'; readonly action: string }
  | { readonly at: number; readonly kind: 'alert'; readonly severity: string; readonly message: string };

export interface Play {
  readonly lines: readonly Line[];
  readonly outcomes: readonly Outcome[];
  readonly world: Readonly<State>;
  readonly releases: readonly Release[];
}

const podTick = 1;

/** Plays a release by the very rules that real ones follow, and tells what happened. */
export function play(script: Script): Play {
  const stage = new Stage(script);
  return stage.run();
}

class Stage {
  private readonly script: Script;
  private readonly world: State;
  private readonly lines: Line[] = [];
  private readonly outcomes: Outcome[] = [];
  private readonly releases: Release[] = [];
  private readonly acts: Act[];
  private release: Release | undefined;
  private runs = 0;
  private hints = 0;
  private seenReadyAt = 0;

  constructor(script: Script) {
    this.script = script;
    this.acts = [...(script.acts ?? [])].sort((a, b) => a.atMs - b.atMs);
    this.world = {
      now: 0,
      settings: script.settings,
      generation: 1,
      deleted: false,
      targetMissing: false,
      targetRevision: script.revision,
      targetReplicas: 1,
      targetReadyAt: 0,
      targetSince: 0,
      primaryRevision: undefined,
      primaryReadyAt: 0,
      primarySince: 0,
      routes: undefined,
      weights: { primary: 100, canary: 0 },
      status: { phase: '', canaryWeight: 0, failedChecks: 0, iterations: 0, lastAppliedSpec: '', lastPromotedSpec: '' },
      stalled: undefined,
      drift: [],
      breakStep: undefined,
      primaryAvailable: true,
      ...script.start,
    };
    if (script.start?.weights) this.world.routes = script.start.weights;
  }

  run(): Play {
    const { world } = this;
    const end = this.script.endMs ?? 3_600_000;
    this.release = this.begin();
    for (let turns = 0; world.now <= end; turns += 1) {
      if (turns > 100_000) throw new Error('the release goes round in circles');
      this.actNow();
      if (!this.release) {
        const next = this.nextAt();
        if (next === undefined) break;
        world.now = next;
        continue;
      }
      const action = decide(this.release, world.now);
      this.releases.push(this.release);
      if (action.type === 'rest' || action.type === 'start-over') {
        if (action.type === 'rest') this.outcomes.push(outcome(this.release));
        this.release =
          action.type === 'start-over' ? this.begin(this.release.seen, this.release.dueAt || undefined) : undefined;
        continue;
      }
      const event = this.perform(action);
      if (event) this.evolve(event);
    }
    return { lines: this.lines, outcomes: this.outcomes, world, releases: this.releases };
  }

  private begin(seen: readonly string[] = [], dueAt?: number): Release {
    this.runs += 1;
    return begin({ id: `run-${this.runs}`, canary: { namespace: 'prod', name: 'shop' }, seen, dueAt });
  }

  private evolve(event: Event): void {
    if (this.release) this.release = evolve(this.release, event);
  }

  /** The next moment at which something happens by itself: an act, or pods becoming ready. */
  private nextAt(): number | undefined {
    const { world } = this;
    const times = [this.acts[0]?.atMs, world.targetReadyAt, world.primaryReadyAt].filter(
      (at): at is number => at !== undefined && Number.isFinite(at) && at > world.now,
    );
    return times.length > 0 ? Math.min(...times) : undefined;
  }

  private actNow(): void {
    const { world } = this;
    while (this.acts[0] && this.acts[0].atMs <= world.now) {
      const act = this.acts.shift()!;
      act.do(world);
      if (act.forget && this.release) this.release = this.begin();
      if (act.order) {
        if (this.release) this.evolve({ type: 'ordered', ...act.order, now: world.now });
      } else if (act.hints !== false) this.hint();
    }
    const ready = world.targetReadyAt === world.now || world.primaryReadyAt === world.now;
    if (ready && this.seenReadyAt !== world.now) {
      this.seenReadyAt = world.now;
      this.hint();
    }
  }

  private hint(): void {
    this.hints += 1;
    this.release ??= this.begin();
    this.evolve({ type: 'hinted', hint: { source: 'watch', eventId: `hint-${this.hints}` }, now: this.world.now });
  }

  private perform(action: Action): Event | undefined {
    const { world } = this;
    const now = world.now;
    this.lines.push({ at: now, kind: 'action', action: action.type === 'carry-out' ? action.plan.verb : action.type });
    switch (action.type) {
      case 'look':
        return { type: 'looked', observation: this.observe(action.metricsProviders), answered: this.hinted(), now };
      case 'wait':
        return this.wait(action.until);
      case 'carry-out': {
        const failure = this.carryOut(action.plan.steps);
        if (!failure) {
          for (const { severity, message } of action.alerts)
            this.lines.push({ at: now, kind: 'alert', severity, message });
        }
        return { type: 'carried-out', action, failure: failure ?? undefined, now };
      }
      case 'call-hooks':
        return {
          type: 'hooks-called',
          moment: action.moment,
          answers: this.callHooks(action.hooks, action.until),
          now,
        };
      case 'analyse':
        return this.analyse(action.revision, action.hooks);
      case 'notify':
        return { type: 'notified', ids: action.notices.map(({ id }) => id), now };
      case 'rest':
      case 'start-over':
        return undefined;
    }
  }

  private hinted(): number {
    return this.release?.hinted ?? 0;
  }

  private wait(until: number | undefined): Event | undefined {
    const { world } = this;
    const next = this.nextAt();
    const target = until === undefined ? next : Math.min(until, next ?? Infinity);
    if (target === undefined) {
      world.now = Infinity;
      return undefined;
    }
    world.now = Math.max(target, world.now);
    return until !== undefined && world.now >= until ? { type: 'woke', now: world.now } : undefined;
  }

  private analyse(revision: string, hooks: readonly HookCall[]): Event {
    const { world } = this;
    const now = world.now;
    const observation = this.observe(false);
    const answered = this.hinted();
    const { target } = observation;
    if (observation.problem || !target || target.revision !== revision || !target.readiness.ready) {
      return { type: 'analysed', observation, answered, now };
    }
    const answers = this.callHooks(hooks, 'first-no');
    const refused = answers.some(({ error }) => error !== undefined);
    const readings = refused ? [] : this.readings();
    return { type: 'analysed', observation, answered, examination: { hooks: answers, readings }, now };
  }

  private readings(): Reading[] {
    const { world, script } = this;
    const down = script.metricsDown?.(world.now);
    const { readings = {} } = script.behaviour(world.targetRevision);
    return world.settings.analysis.metrics.map(({ name }): Reading => {
      if (down !== undefined) return { name, failure: 'unavailable', error: down };
      const value = name in readings ? readings[name] : 100;
      if (value !== undefined && world.weights.canary > 0) return { name, value };
      return { name, failure: 'no-values', error: 'running query failed: no values found' };
    });
  }

  private callHooks(calls: readonly HookCall[], until: 'first-no' | 'first-yes'): HookAnswer[] {
    const answers: HookAnswer[] = [];
    for (const call of calls) {
      const error = this.script.hook?.(call, this.world.now, this.world);
      answers.push({ name: call.name, type: call.type, error });
      if ((error === undefined) === (until === 'first-yes')) break;
    }
    return answers;
  }

  private carryOut(steps: readonly Step[]): PlanFailure | null {
    const { world } = this;
    for (const [index, step] of steps.entries()) {
      const broken = world.breakStep;
      if (broken && broken.do === step.do) {
        world.breakStep = undefined;
        return { step: index, reason: broken.reason, message: broken.message };
      }
      const conflict = this.doStep(step);
      if (conflict) return { step: index, reason: 'Conflict', message: conflict };
    }
    return null;
  }

  private doStep(step: Step): string | undefined {
    const { world } = this;
    const now = world.now;
    switch (step.do) {
      case 'ensure-services':
      case 'ensure-apex':
      case 'ensure-autoscaler':
        world.drift = world.drift.filter((object) => !object.startsWith('Service'));
        return;
      case 'ensure-primary':
        if (world.primaryRevision === undefined || world.status.phase === 'Initializing') {
          if (world.primaryRevision !== world.targetRevision) this.rollPrimary(world.targetRevision);
        }
        return;
      case 'ensure-routes':
      case 'set-weights':
        if (world.routes?.canary !== step.weights.canary)
          this.lines.push({ at: now, kind: 'weights', ...step.weights });
        world.routes = step.weights;
        world.weights = step.weights;
        world.drift = [];
        return;
      case 'scale-target':
        if (step.to === 'zero') {
          world.targetReplicas = 0;
          world.targetReadyAt = 0;
        } else if (world.targetReplicas === 0) {
          world.targetReplicas = 1;
          this.rollTarget();
        }
        return;
      case 'promote':
        if (world.targetRevision !== step.revision) return 'the target changed';
        this.rollPrimary(step.revision);
        return;
      case 'write-status': {
        const { condition: _condition, stalled, ...fields } = step.status;
        const before = world.status;
        world.status = { ...before, ...fields };
        if (stalled !== undefined) world.stalled = stalled?.message;
        if (JSON.stringify(before) !== JSON.stringify(world.status)) {
          this.lines.push({ at: now, kind: 'phase', phase: world.status.phase, status: world.status });
        }
        return;
      }
      case 'record-event':
        this.lines.push({ at: now, kind: 'event', type: step.event.type, message: step.event.message });
        return;
    }
  }

  private rollTarget(): void {
    rollTarget(this.world, this.script.behaviour);
  }

  private rollPrimary(revision: string): void {
    const { world, script } = this;
    world.primaryRevision = revision;
    world.primarySince = world.now;
    world.primaryReadyAt = readyAt(script.behaviour(revision), world.now);
  }

  private observe(metricsProviders: boolean): Observation {
    const { world } = this;
    if (world.deleted) return { drift: [] };
    const { settings, generation, status, stalled } = world;
    const canary = { uid: 'uid', generation, deleting: false, settings, status, stalled };
    if (world.targetMissing) {
      const message = 'deployment shop.prod get query error: deployments.apps "shop" not found';
      return { canary, drift: [], problem: { reason: 'NotFound', message } };
    }
    const available = world.targetReplicas > 0 && world.targetReadyAt <= world.now ? world.targetReplicas : 0;
    const primaryUp = world.primaryReadyAt <= world.now && world.primaryAvailable;
    return {
      canary,
      target: {
        revision: world.targetRevision,
        replicas: world.targetReplicas,
        available,
        readiness: this.readiness(
          'canary deployment shop.prod',
          world.targetReadyAt,
          world.targetSince,
          world.targetReplicas,
        ),
      },
      ...(world.primaryRevision === undefined
        ? {}
        : {
            primary: {
              revision: `primary/${world.primaryRevision}`,
              replicas: 1,
              available: primaryUp ? 1 : 0,
              readiness: world.primaryAvailable
                ? this.readiness('shop-primary.prod', world.primaryReadyAt, world.primarySince, 1)
                : notReady(
                    'shop-primary.prod not ready: waiting for rollout to finish: 0 of 1 (readyThreshold 100%) updated replicas are available',
                    true,
                  ),
              equalsTarget: world.primaryRevision === world.targetRevision,
              ours: true,
            },
          }),
      routes: world.routes,
      drift: world.drift,
      ...(metricsProviders ? { metricsProviders: { error: this.script.metricsDown?.(world.now) } } : {}),
    };
  }

  private readiness(what: string, readyAt: number, since: number, replicas: number): Readiness {
    const { now, settings } = this.world;
    if (readyAt <= now) return { ready: true };
    const retriable = now - since < settings.progressDeadlineSeconds * 1000;
    const text = `waiting for rollout to finish: 0 of ${replicas} (readyThreshold 100%) updated replicas are available`;
    return notReady(`${what} not ready: ${text}`, retriable);
  }
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
