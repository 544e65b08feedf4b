import type { RecordedStatus } from './recording.ts';

/** How a play of ours differs from a recording: `-` is what only Flagger did, `+` what only Serin does. */
export interface Difference {
  /** The quirk of Flagger's that is not kept. Each has its line in `docs/differences-from-flagger.md`. */
  readonly why: `Q${number}`;
  readonly lines: readonly string[];
}

/** What differs wherever a release is promoted: the hash of what the primary runs goes with the copy, not with the end. */
export const promotedWithTheCopy = {
  why: 'Q29',
  revise: (status: RecordedStatus): RecordedStatus =>
    /^(Promoting|Finalising)$/.test(status.phase) ? { ...status, promoted: status.applied } : status,
} as const;

const deadline =
  '+ event: W Rolling back shop.prod progress deadline exceeded canary deployment shop.prod not ready: ' +
  'waiting for rollout to finish: 0 of 1 (readyThreshold 100%) updated replicas are available';

/** Every difference between the recorded runs of Flagger and the same releases played by our rules. */
export const differences: Readonly<Record<string, readonly Difference[]>> = {
  // The API server was away for three ticks; the late one was followed by another after 80 ms, as if both were one.
  'apiserver-pause': [
    {
      why: 'Q54',
      lines: [
        '- hurried: weight 30 was not judged over an interval',
        ...['event: Advance shop.prod canary weight 40', 'weight: 40'].flatMap((line) => [`- ${line}`, `+ ${line}`]),
      ],
    },
  ],

  crash: [{ why: 'Q8', lines: [deadline] }],
  'never-ready': [{ why: 'Q8', lines: [deadline] }],

  // An analysis opens once, however long the gate stays closed; the gate itself is told at every tick, as in Flagger.
  'gate-traffic-increase': [
    {
      why: 'Q37',
      lines: [
        ...repeat(3, '- event: Starting canary analysis for shop.prod'),
        ...repeat(3, '- event: Pre-rollout check acceptance-test passed'),
      ],
    },
  ],

  gates: [
    {
      why: 'Q14',
      lines: [
        '- status: WaitingPromotion 0 0 B/A Unknown',
        '- status: Promoting 0 0 B/B Unknown',
        '+ status: WaitingPromotion 30 0 B/A Unknown',
        '+ status: Promoting 30 0 B/B Unknown',
      ],
    },
  ],

  // Two queries that nobody answered: the same Warnings, and no failed checks.
  'prometheus-down': [
    {
      why: 'Q55',
      lines: [
        '- status: Progressing 20 1 B/A Unknown',
        '- status: Progressing 20 2 B/A Unknown',
        ...['Progressing 30 # B/A Unknown', 'Progressing 40 # B/A Unknown', 'Progressing 50 # B/A Unknown']
          .concat('Promoting 50 # B/B Unknown', 'Finalising 0 # B/B Unknown', 'Succeeded 0 # B/B True')
          .flatMap((status) => [`- status: ${status.replace('#', '2')}`, `+ status: ${status.replace('#', '0')}`]),
      ],
    },
  ],

  'restart-minute': [{ why: 'Q2', lines: ['- hurried: weight 10 was not judged over an interval'] }],

  // At rest after a failure Flagger takes up the hash of the target before it begins a release of it.
  'retry-after-failure': [{ why: 'Q5', lines: ['- status: Failed 0 0 C/A False'] }],

  // Flagger goes on with the old version, promotes it, and then releases it once more.
  'revert-midrun-then-again': [
    {
      why: 'Q27',
      lines: [
        '+ event: Target reverted to the promoted revision, analysis cancelled for shop.prod',
        '- event: New revision detected! Scaling up shop.prod',
        '- event: Starting canary analysis for shop.prod',
        '- event: Pre-rollout check acceptance-test passed',
        '- event: Advance shop.prod canary weight 10',
        '- event: Advance shop.prod canary weight 30',
        ...repeat(2, '- event: Copying shop.prod template spec to shop-primary.prod'),
        ...repeat(2, '- event: Routing all traffic to primary'),
        ...repeat(2, '- event: Promotion completed! Scaling down shop.prod'),
        ...['0', '10', '20', '30', '30'].map((weight) => `- weight: ${weight}`),
        // What was released after the going back stands in another place of the list.
        ...['20', '30'].flatMap((weight) => [
          `- event: Advance shop.prod canary weight ${weight}`,
          `+ event: Advance shop.prod canary weight ${weight}`,
        ]),
        ...['Progressing 0', 'Progressing 10', 'Progressing 20', 'Progressing 30'].map(
          (status) => `- status: ${status} 0 A/B Unknown`,
        ),
        '- status: Progressing 30 0 B/A Unknown',
        ...['A/A', 'B/B'].flatMap((hashes) => [
          `- status: Promoting 30 0 ${hashes} Unknown`,
          `- status: Finalising 0 0 ${hashes} Unknown`,
        ]),
        '- status: Succeeded 0 0 B/B True',
      ],
    },
  ],

  // The primary is awaited before the canary goes, and the status says so.
  'skip-analysis': [
    { why: 'Q11', lines: ['+ status: Promoting 0 0 B/B Unknown', '+ event: W shop-primary.prod not ready'] },
  ],

  suspend: [{ why: 'Q46', lines: repeat(2, '- event: skipping canary run as object is suspended') }],
};

function repeat(times: number, line: string): string[] {
  return Array<string>(times).fill(line);
}
