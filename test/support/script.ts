import { play, setRevision, type Act, type Behaviour, type Line, type Script } from '../../src/simulation/world.ts';
import type {
  AnalysisSettings,
  Approval,
  CanaryStatus,
  Hook,
  HookType,
  Settings,
} from '../../src/workflows/domain/observation.ts';

/** The settings of a plain Canary: steps of 10 up to 30, two failed checks, ten seconds. */
export function settings(analysis: Partial<AnalysisSettings> = {}, more: Partial<Settings> = {}): Settings {
  return {
    target: { kind: 'Deployment', name: 'shop' },
    provider: 'istio',
    suspend: false,
    skipAnalysis: false,
    hasAutoscaler: false,
    revertOnDeletion: false,
    splitsTraffic: true,
    parks: true,
    progressDeadlineSeconds: 60,
    listeners: { alerts: true, events: false },
    drainMs: 1_000,
    analysis: {
      strategy: 'canary',
      intervalMs: 10_000,
      threshold: 2,
      maxWeight: 30,
      stepWeight: 10,
      stepWeights: [],
      stepWeightPromotion: 0,
      iterations: 0,
      mirror: false,
      metrics: [{ name: 'request-success-rate', kind: 'success-rate', hasRange: true, min: 99 }],
      hooks: [],
      remarks: [],
      ...analysis,
    },
    ...more,
  };
}

export const hook = (name: string, type: HookType, muteAlert = false): Hook => ({
  name,
  type,
  muteAlert,
  budgetMs: 10_000,
});

/** One person, whoever, before a promotion, for as long as it takes. */
export const approval = (more: Partial<Approval> = {}): Approval => ({
  name: 'managers',
  before: 'promotion',
  quorum: 1,
  approvers: [],
  excludesAuthor: false,
  otherwise: 'keep-waiting',
  muteAlert: false,
  ...more,
});

/** Revisions behave by their names, as the simulated kubelet treats image tags. */
export function behaviour(revision: string): Behaviour {
  const errors = /-err(\d+)/.exec(revision)?.[1];
  return {
    readyAfterMs: /-(neverready|crash)/.test(revision) ? 'never' : revision.includes('-slow') ? 30_000 : 1_000,
    failsAsPrimary: revision.includes('-badprimary'),
    readings: { 'request-success-rate': errors ? 100 - Number(errors) : 100, 'request-duration': 40 },
  };
}

/** Sets another image at this moment. */
export const release = (revision: string, atMs = 60_000): Act => ({ atMs, do: setRevision(revision, behaviour) });

/** Plays a Canary from its creation; a release of `v1:2` comes after a minute, unless `acts` say otherwise. */
export function playCanary(script: Partial<Script> = {}) {
  return play({
    settings: settings(),
    revision: 'v1:1',
    behaviour,
    acts: [release('v1:2')],
    endMs: 1_800_000,
    ...script,
  });
}

/** A Canary at rest that runs `v1:1`. */
export const settled = {
  status: {
    phase: 'Initialized',
    canaryWeight: 0,
    failedChecks: 0,
    iterations: 0,
    lastAppliedSpec: 'v1:1',
    lastPromotedSpec: 'v1:1',
  } satisfies CanaryStatus,
  primaryRevision: 'v1:1',
  targetReplicas: 0,
  weights: { primary: 100, canary: 0 },
} as const;

/** The event texts in order, `W ` before warnings. */
export function events(lines: readonly Line[], fromMs = 0): string[] {
  return lines.flatMap((line) =>
    line.kind === 'event' && line.at >= fromMs ? [`${line.type === 'Warning' ? 'W ' : ''}${line.message}`] : [],
  );
}

/** Canary weights in the order in which they came into force. */
export function weights(lines: readonly Line[], fromMs = 0): number[] {
  return lines.flatMap((line) => (line.kind === 'weights' && line.at >= fromMs ? [line.canary] : []));
}

/** `<phase> <weight> <failed checks>` at each write of the status, and `iteration <n>` where there are any. */
export function statuses(lines: readonly Line[], fromMs = 0): string[] {
  return lines.flatMap((line) => {
    if (line.kind !== 'phase' || line.at < fromMs) return [];
    const { canaryWeight, failedChecks, iterations } = line.status;
    return [`${line.phase} ${canaryWeight} ${failedChecks}${iterations > 0 ? ` iteration ${iterations}` : ''}`];
  });
}

export function alerts(lines: readonly Line[], fromMs = 0): string[] {
  return lines.flatMap((line) =>
    line.kind === 'alert' && line.at >= fromMs ? [`${line.severity} ${line.message}`] : [],
  );
}
