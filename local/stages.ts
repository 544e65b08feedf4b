import { stringify } from 'yaml';

export interface StageOptions {
  /** Time a healthy pod takes to become Ready, in milliseconds. */
  readonly readyDelayMs: number;
}

/** Time a pod of a `-slow` image takes to become Ready, in milliseconds. */
export const slowReadyMs = 30_000;

/**
 * What the simulated kubelet does with a pod, as KWOK's Stage objects. The end of the first container's image tag decides:
 *
 * | tag ends in | the pod |
 * | --- | --- |
 * | `-neverready` | runs, and its readiness probe fails for ever |
 * | `-slow` | runs, Ready after 30 s |
 * | `-crash` | is restarted for ever, the count going up |
 * | anything else | is Ready after `readyDelayMs` |
 *
 * @see https://kwok.sigs.k8s.io/docs/user/stages-configuration/
 */
export function stages({ readyDelayMs }: StageOptions): string {
  const all = [
    stage('pod-ready', readyDelayMs, [fate('DoesNotExist'), notStarted], status(true)),
    stage('pod-unready', readyDelayMs, [fate('In', 'neverready', 'slow'), notStarted], status(false)),
    stage('pod-ready-late', slowReadyMs, [fate('In', 'slow'), unready], status(true)),
    stage('pod-crash', readyDelayMs, [fate('In', 'crash'), notStarted], crashed('1')),
    stage('pod-crash-again', 10_000, [fate('In', 'crash'), backingOff], crashed(oneMore)),
    deletion,
  ];
  return all.map((object) => stringify(object)).join('---\n');
}

interface Expression {
  readonly key: string;
  readonly operator: 'In' | 'DoesNotExist' | 'Exists';
  readonly values?: readonly string[];
}

const fate = (operator: Expression['operator'], ...values: string[]): Expression => ({
  key: '.spec.containers[0].image | capture("-(?<fate>neverready|crash|slow)(@|$)") | .fate',
  operator,
  ...(values.length > 0 ? { values } : {}),
});
const alive: Expression = { key: '.metadata.deletionTimestamp', operator: 'DoesNotExist' };
const notStarted: Expression = { key: '.status.podIP', operator: 'DoesNotExist' };
const unready: Expression = {
  key: '.status.conditions.[] | select( .type == "Ready" ) | .status',
  operator: 'In',
  values: ['False'],
};
const backingOff: Expression = {
  key: '.status.containerStatuses.[].state.waiting.reason',
  operator: 'In',
  values: ['CrashLoopBackOff'],
};

function stage(name: string, delayMs: number, when: readonly Expression[], statusTemplate: string): object {
  return {
    apiVersion: 'kwok.x-k8s.io/v1alpha1',
    kind: 'Stage',
    metadata: { name },
    spec: {
      resourceRef: { apiGroup: 'v1', kind: 'Pod' },
      selector: { matchExpressions: [alive, ...when] },
      delay: { durationMilliseconds: delayMs },
      next: { statusTemplate },
    },
  };
}

/** A pod that is being deleted goes at once, whatever grace it was given: nothing runs in it that could use the time. */
const deletion = {
  apiVersion: 'kwok.x-k8s.io/v1alpha1',
  kind: 'Stage',
  metadata: { name: 'pod-delete' },
  spec: {
    resourceRef: { apiGroup: 'v1', kind: 'Pod' },
    selector: { matchExpressions: [{ key: '.metadata.deletionTimestamp', operator: 'Exists' }] },
    next: { finalizers: { empty: true }, delete: true },
  },
};

function status(ready: boolean): string {
  return podStatus(
    ready,
    ready
      ? ''
      : ', reason: ContainersNotReady, message: "readiness probe failed: HTTP probe failed with statuscode: 503"',
    `ready: ${ready}, started: true, restartCount: 0, state: {running: {startedAt: {{ $now | Quote }}}}`,
  );
}

const oneMore = '{{ add1 ( index $.status.containerStatuses 0 ).restartCount }}';

function crashed(restartCount: string): string {
  const exit = 'exitCode: 1, reason: Error, message: "fatal: cannot read configuration"';
  const times = 'startedAt: {{ $now | Quote }}, finishedAt: {{ $now | Quote }}';
  return podStatus(
    false,
    ', reason: ContainersNotReady',
    `ready: false, started: false, restartCount: ${restartCount}, ` +
      'state: {waiting: {reason: CrashLoopBackOff, message: back-off 10s restarting failed container}}, ' +
      `lastState: {terminated: {${exit}, ${times}}}`,
  );
}

function podStatus(ready: boolean, why: string, container: string): string {
  const condition = (type: string, truth: boolean) =>
    `- {type: ${type}, status: "${truth ? 'True' : 'False'}"${truth ? '' : why}, lastTransitionTime: {{ $now | Quote }}}`;
  const gates = `{{ range .spec.readinessGates }}
- {type: {{ .conditionType | Quote }}, status: "True", lastTransitionTime: {{ $now | Quote }}}
{{ end }}`;
  return `{{ $now := Now }}
conditions:
${condition('PodReadyToStartContainers', true)}
${condition('Initialized', true)}
${condition('Ready', ready)}
${condition('ContainersReady', ready)}
${gates}
containerStatuses:
{{ range .spec.containers }}
- {name: {{ .name | Quote }}, image: {{ .image | Quote }}, ${container}}
{{ end }}
hostIP: {{ NodeIPWith .spec.nodeName | Quote }}
podIP: {{ PodIPWith .spec.nodeName false ( or .metadata.uid "" ) ( or .metadata.name "" ) ( or .metadata.namespace "" ) | Quote }}
phase: Running
startTime: {{ $now | Quote }}
`;
}
