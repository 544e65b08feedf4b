import type { Released } from './lane.ts';

/** What a lane tells when nothing happens to it: events, questions and alerts, for releases of the shape that `lane.ts` sets up. */

/** What the tutorial's Canary is told about its reference to an autoscaler, as it was written long ago. */
export const versionRemark =
  'spec.autoscalerRef.apiVersion: autoscaling/v2beta2 is ignored: autoscaling/v2 is read and written; write that';

/** The events of an initialization, unless it is left out, and of the releases after it. */
export function storyOf(namespace: string, released: readonly Pick<Released, 'bad'>[], initialized = true): string[] {
  const beginning = initialized ? [versionRemark, `Initialization done! podinfo.${namespace}`] : [];
  return [
    ...beginning,
    ...released.flatMap(({ bad }) => [...opening(namespace), ...(bad ? rollback : promotion)(namespace)]),
  ];
}

const approved = 'Confirm-traffic-increase check more-traffic passed';

const opening = (namespace: string) => [
  `New revision detected! Scaling up podinfo.${namespace}`,
  `Starting canary analysis for podinfo.${namespace}`,
  'Pre-rollout check acceptance passed',
  approved,
  `Advance podinfo.${namespace} canary weight 10`,
];

const promotion = (namespace: string) => [
  ...[20, 30, 40, 50].flatMap((weight) => [approved, `Advance podinfo.${namespace} canary weight ${weight}`]),
  approved,
  'Confirm-promotion check release passed',
  `Copying podinfo.${namespace} template spec to podinfo-primary.${namespace}`,
  'Routing all traffic to primary',
  'Post-rollout check farewell passed',
  `Promotion completed! Scaling down podinfo.${namespace}`,
];

const rollback = (namespace: string) => [
  `W Halt podinfo.${namespace} advancement success rate`,
  `W Halt podinfo.${namespace} advancement success rate`,
  `W Rolling back podinfo.${namespace} failed checks threshold reached 2`,
  `W Canary failed! Scaling down podinfo.${namespace}`,
  'Post-rollout check farewell passed',
];

/**
 * Events without what depends on the speed of the machine: pods that are awaited are told of at every tick, an initialization
 * asks the metrics providers at every tick, and the rate of success has a few decimals.
 */
export function told(events: readonly string[]): string[] {
  return events
    .filter((event) => !/ not ready: |^all the metrics providers are available!$/.test(event))
    .map((event) => event.replace(/(success rate) [\d.]+% < 99%$/, '$1'));
}

/** How many times each hook is asked something new. */
export function questionsOf(released: readonly Released[]): Readonly<Record<string, number>> {
  const sum = (good: number, bad: number) => released.reduce((all, release) => all + (release.bad ? bad : good), 0);
  return {
    acceptance: sum(1, 1),
    'load-test': sum(5, 2),
    'more-traffic': sum(6, 1),
    release: sum(1, 0),
    farewell: sum(1, 1),
  };
}

export function alertsOf(released: readonly Released[]): string[] {
  return [
    'New Deployment detected, initialization completed.',
    ...released.flatMap(({ bad }) => [
      'New revision detected, progressing canary analysis.',
      bad ? 'Failed checks threshold reached 2' : 'Canary analysis completed successfully, promotion finished.',
    ]),
  ];
}
