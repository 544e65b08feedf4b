/** How a play of ours differs from a recording: `-` is what only Flagger did, `+` what only Serin does. */
export interface Difference {
  /** The quirk of Flagger's that is not kept. Each has its line in `docs/differences-from-flagger.md`. */
  readonly why: `Q${number}`;
  readonly lines: readonly string[];
}

const deadline =
  '+ event: W Rolling back shop.prod progress deadline exceeded canary deployment shop.prod not ready: ' +
  'waiting for rollout to finish: 0 of 1 (readyThreshold 100%) updated replicas are available';

/** Every difference between the recorded runs of Flagger and the same releases played by our rules. */
export const differences: Readonly<Record<string, readonly Difference[]>> = {
  // The API server was away for three ticks; the late one was followed by another after 80 ms.
  'apiserver-pause': [{ why: 'Q54', lines: ['- hurried: weight 30 was not judged over an interval'] }],

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
        '- status: WaitingPromotion 0 0',
        '- status: Promoting 0 0',
        '+ status: WaitingPromotion 30 0',
        '+ status: Promoting 30 0',
      ],
    },
  ],

  // Two queries that nobody answered: the same Warnings, and no failed checks.
  'prometheus-down': [
    {
      why: 'Q55',
      lines: [
        '- status: Progressing 20 1',
        ...['Progressing 20', 'Progressing 30', 'Progressing 40', 'Progressing 50', 'Promoting 50', 'Finalising 0']
          .concat('Succeeded 0')
          .flatMap((status) => [
            `- status: ${status} 2`,
            ...(status === 'Progressing 20' ? [] : [`+ status: ${status} 0`]),
          ]),
      ],
    },
  ],

  'restart-minute': [{ why: 'Q2', lines: ['- hurried: weight 10 was not judged over an interval'] }],

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
        ...['Progressing 0', 'Progressing 10', 'Progressing 20', 'Succeeded 0'].map(
          (status) => `- status: ${status} 0`,
        ),
        ...['Progressing 30', 'Promoting 30', 'Finalising 0'].flatMap((status) => repeat(2, `- status: ${status} 0`)),
      ],
    },
  ],

  // The primary is awaited before the canary goes, and the status says so.
  'skip-analysis': [{ why: 'Q11', lines: ['+ status: Promoting 0 0'] }],

  suspend: [{ why: 'Q46', lines: repeat(2, '- event: skipping canary run as object is suspended') }],
};

function repeat(times: number, line: string): string[] {
  return Array<string>(times).fill(line);
}
