/** A release of the demo, and what it has to come to. */
export interface Chapter {
  readonly tag: string;
  readonly about: string;
  readonly phase: 'Succeeded' | 'Failed';
  /** Tag that the primary runs in the end. */
  readonly primary: string;
  /** Events that have to come, in this order; others may come between them. */
  readonly events: readonly string[];
}

/** Failed checks that end a release. */
export const threshold = 2;

export const chapters: readonly Chapter[] = [
  {
    tag: '3.1.1',
    about: 'a good version',
    phase: 'Succeeded',
    primary: '3.1.1',
    events: [
      'New revision detected! Scaling up podinfo.test',
      'Starting canary analysis for podinfo.test',
      'Pre-rollout check acceptance-test passed',
      ...[10, 20, 30, 40, 50].map((weight) => `Advance podinfo.test canary weight ${weight}`),
      'Copying podinfo.test template spec to podinfo-primary.test',
      'Routing all traffic to primary',
      'Promotion completed! Scaling down podinfo.test',
    ],
  },
  {
    tag: '3.1.2-err50',
    about: 'a version half of whose answers are errors',
    phase: 'Failed',
    primary: '3.1.1',
    events: [
      'New revision detected! Scaling up podinfo.test',
      'Advance podinfo.test canary weight 10',
      `Rolling back podinfo.test failed checks threshold reached ${threshold}`,
      'Canary failed! Scaling down podinfo.test',
    ],
  },
  {
    tag: '3.1.3-neverready',
    about: 'a version that never becomes ready',
    phase: 'Failed',
    primary: '3.1.1',
    events: [
      'New revision detected! Scaling up podinfo.test',
      'Rolling back podinfo.test progress deadline exceeded',
      'Canary failed! Scaling down podinfo.test',
    ],
  },
];

/** What a release came to. */
export interface Ending {
  /** Messages of the events, in their order. */
  readonly seen: readonly string[];
  /** Image of the primary. */
  readonly primaryImage: string;
  /** Percent of requests; undefined where nobody knows. */
  readonly canaryWeight: number | undefined;
}

/** Says what is not as it should be, in sentences for people; nothing when all is. */
export function wrongWith({ tag, primary, events }: Chapter, { seen, primaryImage, canaryWeight }: Ending): string[] {
  const missing = missingIn(events, seen);
  return [
    ...(missing === undefined ? [] : [`podinfo:${tag}: no event "${missing}" in its place`]),
    ...(primaryImage.includes(`:${primary}`)
      ? []
      : [`podinfo:${tag}: the primary runs ${primaryImage}, expected ${primary}`]),
    ...(canaryWeight === 0 ? [] : [`podinfo:${tag}: traffic is left on the canary`]),
  ];
}

/** The first expected event that did not come in its place; undefined when all did. */
export function missingIn(expected: readonly string[], seen: readonly string[]): string | undefined {
  let from = 0;
  for (const text of expected) {
    const at = seen.findIndex((message, index) => index >= from && message.startsWith(text));
    if (at < 0) return text;
    from = at + 1;
  }
  return undefined;
}
