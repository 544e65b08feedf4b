import { begin, decide, outcome } from '../workflows/domain/release.ts';
import { evolve } from '../workflows/domain/evolve.ts';
import type { Order } from '../workflows/domain/orders.ts';
import type { HookAnswer, HookCall, PlanFailure, Reading, Step } from '../workflows/domain/plan.ts';
import type { Action, Event, Outcome, Release } from '../workflows/domain/state.ts';
import { canaryOf, doStep, observe } from './cluster.ts';
import type { Act, Decision, Line, Play, Script, State } from './script.ts';

export { rollTarget, setRevision } from './cluster.ts';
export type { Act, Behaviour, Decision, Line, Play, Script, State } from './script.ts';

/** Plays a release by the very rules that real ones follow, and tells what happened. */
export function play(script: Script): Play {
  const stage = new Stage(script);
  return stage.run();
}

class Stage {
  readonly script: Script;
  readonly world: State;
  readonly lines: Line[] = [];
  private readonly outcomes: Outcome[] = [];
  private readonly decisions: Decision[] = [];
  private readonly acts: Act[];
  private readonly awaited: Act[];
  private linesAtLastAct = 0;
  private release: Release | undefined;
  private runs = 0;
  private hints = 0;
  private seenReadyAt = 0;

  constructor(script: Script) {
    this.script = script;
    this.acts = (script.acts ?? []).filter(({ when }) => !when).sort((a, b) => a.atMs - b.atMs);
    this.awaited = (script.acts ?? []).filter(({ when }) => when);
    this.world = {
      now: 0,
      settings: script.settings,
      generation: 1,
      deleted: false,
      targetMissing: false,
      targetRevision: script.revision,
      author: undefined,
      targetReplicas: 1,
      targetReadyAt: 0,
      targetSince: 0,
      primaryRevision: undefined,
      primaryReplicas: 1,
      primaryOurs: true,
      primaryReadyAt: 0,
      primarySince: 0,
      routes: undefined,
      weights: { primary: 100, canary: 0 },
      cookies: undefined,
      deleting: false,
      finalizer: false,
      status: { phase: '', canaryWeight: 0, failedChecks: 0, iterations: 0, lastAppliedSpec: '', lastPromotedSpec: '' },
      condition: '',
      stalled: undefined,
      unheeded: undefined,
      warned: undefined,
      drift: [],
      breakStep: undefined,
      primaryAvailable: true,
      targetDown: false,
      primaryShort: 0,
      targetShort: 0,
      downUntil: 0,
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
        if (this.actAwaited()) continue;
        const next = this.nextAt();
        if (next === undefined) break;
        world.now = next;
        continue;
      }
      const action = decide(this.release, world.now);
      if (action.type === 'wait' && this.actAwaited()) continue;
      this.decisions.push({ now: world.now, release: this.release, action });
      if (action.type === 'rest' || action.type === 'start-over') {
        if (action.type === 'rest') this.outcomes.push(outcome(this.release));
        this.release =
          action.type === 'start-over'
            ? this.begin(this.release.seen, this.release.dueAt || undefined, this.release.retried)
            : undefined;
        continue;
      }
      const event = this.perform(action);
      if (event) this.evolve(event);
    }
    const unfinished = this.release !== undefined;
    return { lines: this.lines, outcomes: this.outcomes, world, decisions: this.decisions, unfinished };
  }

  private begin(seen: readonly string[] = [], dueAt?: number, retry?: Order): Release {
    this.runs += 1;
    return begin({ id: `run-${this.runs}`, canary: canaryOf(this.script), seen, dueAt, retry });
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
      this.act(this.acts.shift()!);
    }
    const ready = world.targetReadyAt === world.now || world.primaryReadyAt === world.now;
    if (ready && this.seenReadyAt !== world.now) {
      this.seenReadyAt = world.now;
      this.hint();
    }
  }

  /** The next act that waits for the release to come this far, if it has. */
  private actAwaited(): boolean {
    const act = this.awaited[0];
    if (!act?.when || act.atMs > this.world.now) return false;
    if (!act.when(this.world, this.lines.slice(this.linesAtLastAct))) return false;
    this.awaited.shift();
    this.linesAtLastAct = this.lines.length;
    this.act(act);
    return true;
  }

  private act(act: Act): void {
    const { world } = this;
    act.do(world);
    if (act.forget && this.release) this.release = this.begin();
    if (act.order) {
      // A retry is sent together with a start; any other order is about a release that runs.
      if (act.order.kind === 'retry') this.release ??= this.begin();
      if (this.release) this.evolve({ type: 'ordered', ...act.order, now: world.now });
    } else if (act.hints !== false) this.hint();
  }

  private hint(): void {
    this.hints += 1;
    this.release ??= this.begin();
    this.evolve({ type: 'hinted', hint: { source: 'watch', eventId: `hint-${this.hints}` }, now: this.world.now });
  }

  private perform(action: Action): Event | undefined {
    const { world } = this;
    if (action.type !== 'wait') world.now = Math.max(world.now, world.downUntil);
    const now = world.now;
    this.lines.push({ at: now, kind: 'action', action: action.type === 'carry-out' ? action.plan.verb : action.type });
    switch (action.type) {
      case 'look':
        return { type: 'looked', observation: observe(this, action.metricsProviders), answered: this.hinted(), now };
      case 'wait':
        return this.wait(action.until);
      case 'carry-out': {
        const failure = this.carryOut(action.plan.steps);
        if (!failure) {
          for (const { severity, message, check } of action.alerts)
            this.lines.push({ at: now, kind: 'alert', severity, message, ...(check ? { check } : {}) });
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
      case 'archive':
        return { type: 'archived', now };
      case 'verify': {
        // Here a token is worth the name that it is.
        const actors = action.orders.map(({ order }) => ({ subject: order.token, id: order.token }));
        return { type: 'verified', orders: action.orders, actors, now };
      }
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
    const observation = observe(this, false);
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
    return world.settings.analysis.metrics.map((check): Reading => {
      const { name } = check;
      if (down !== undefined) return { name, failure: 'unavailable', error: down };
      const otherwise = script.reading ? script.reading(check, world.now, world.targetRevision) : 100;
      const value = name in readings ? readings[name] : otherwise;
      const { weights, settings } = world;
      const isReached = weights.canary > 0 || weights.mirrored || settings.analysis.strategy !== 'canary';
      if (value !== undefined && isReached) return { name, value };
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
      const conflict = doStep(this, step);
      if (conflict) return { step: index, reason: 'Conflict', message: conflict };
    }
    return null;
  }
}
