import { describe, expect, it } from '@jest/globals';
import type { KubernetesObject } from '../clients/kubernetes.ts';
import { canaryChange, workloadChange, generatedChange, viewCanary, viewDeployment, viewGenerated } from './hints.ts';

type Patch = { metadata?: object; spec?: object; status?: object; [field: string]: unknown };

const wrote = (manager: string, time: string, subresource?: string) => ({
  manager,
  time: `2026-05-04T09:12:${time}Z`,
  ...(subresource ? { subresource } : {}),
});

function merge(base: KubernetesObject, { metadata, spec, status, ...rest }: Patch): KubernetesObject {
  return {
    ...base,
    ...rest,
    metadata: { ...base.metadata, ...metadata },
    spec: { ...(base.spec as object), ...spec },
    status: { ...(base.status as object), ...status },
  };
}

const canary: KubernetesObject = {
  apiVersion: 'flagger.app/v1beta1',
  kind: 'Canary',
  metadata: {
    name: 'podinfo',
    namespace: 'shop',
    uid: 'u1',
    generation: 1,
    managedFields: [wrote('kubectl', '10'), wrote('serin', '20', 'status')],
  },
  spec: { targetRef: { kind: 'Deployment', name: 'podinfo' } },
  status: { phase: 'Progressing', canaryWeight: 10 },
};

describe('a Canary', () => {
  const ours = { metadata: { managedFields: [wrote('kubectl', '10'), wrote('serin', '30', 'status')] } };
  const theirs = { metadata: { managedFields: [wrote('serin', '20', 'status'), wrote('flagger', '30', 'status')] } };
  const sameSecond = {
    metadata: { managedFields: [wrote('serin', '30', 'status'), wrote('kubectl', '30', 'status')] },
  };
  const weight = { status: { canaryWeight: 20 } };
  it.each`
    change                                     | patch                                         | hint
    ${'nothing'}                               | ${{}}                                         | ${undefined}
    ${'a status we wrote'}                     | ${{ ...ours, ...weight }}                     | ${undefined}
    ${'a status someone else wrote'}           | ${{ ...theirs, ...weight }}                   | ${'status'}
    ${'a status both wrote within one second'} | ${{ ...sameSecond, ...weight }}               | ${'status'}
    ${'only its managed fields'}               | ${theirs}                                     | ${undefined}
    ${'its spec'}                              | ${{ metadata: { generation: 2 } }}            | ${'spec'}
    ${'its deletion timestamp'}                | ${{ metadata: { deletionTimestamp: 'now' } }} | ${'deletion'}
    ${'its identity'}                          | ${{ metadata: { uid: 'u2' } }}                | ${'created'}
    ${'an annotation'}                         | ${{ metadata: { annotations: { a: 'b' } } }}  | ${undefined}
  `('when it changes $change: $hint', ({ patch, hint }) => {
    const after = viewCanary(merge(canary, patch as Patch), 'serin');
    expect(canaryChange(viewCanary(canary, 'serin'), after)).toBe(hint);
  });

  it('is looked at when it is new and when it is gone', () => {
    const view = viewCanary(canary, 'serin');
    expect(canaryChange(undefined, view)).toBe('created');
    expect(canaryChange(view, undefined)).toBe('deleted');
  });

  it('that nobody can understand still has a name', () => {
    const odd = { ...canary, spec: 'nonsense', status: null };
    expect(viewCanary(odd, 'serin')).toMatchObject({
      canary: { namespace: 'shop', name: 'podinfo' },
      target: '',
      phase: '',
    });
  });
});

const deployment: KubernetesObject = {
  apiVersion: 'apps/v1',
  kind: 'Deployment',
  metadata: { name: 'podinfo', namespace: 'shop', uid: 'u1', generation: 3 },
  spec: { replicas: 2, template: { spec: { containers: [{ name: 'podinfo', image: 'podinfo:1' }] } } },
  status: {
    observedGeneration: 3,
    replicas: 2,
    updatedReplicas: 2,
    availableReplicas: 2,
    conditions: [{ type: 'Progressing', status: 'True', reason: 'NewReplicaSetAvailable' }],
  },
};

describe('a target or primary Deployment', () => {
  const template = { spec: { containers: [{ name: 'podinfo', image: 'podinfo:2' }] } };
  const late = { conditions: [{ type: 'Progressing', status: 'False', reason: 'ProgressDeadlineExceeded' }] };
  it.each`
    change                                | patch                                                                                           | hint
    ${'nothing'}                          | ${{}}                                                                                           | ${undefined}
    ${'its pod template'}                 | ${{ spec: { template } }}                                                                       | ${'template'}
    ${'the number of pods'}               | ${{ spec: { replicas: 3 }, status: { replicas: 3, updatedReplicas: 3, availableReplicas: 3 } }} | ${undefined}
    ${'to no pods at all'}                | ${{ spec: { replicas: 0 } }}                                                                    | ${'parked'}
    ${'one pod less available'}           | ${{ status: { availableReplicas: 1 } }}                                                         | ${'ready'}
    ${'a rollout that is going on'}       | ${{ status: { updatedReplicas: 1 } }}                                                           | ${'ready'}
    ${'what its controller has not seen'} | ${{ metadata: { generation: 4 } }}                                                              | ${'ready'}
    ${'its progress'}                     | ${{ status: late }}                                                                             | ${'progressing'}
    ${'a label'}                          | ${{ metadata: { labels: { a: 'b' } } }}                                                         | ${undefined}
    ${'its deletion timestamp'}           | ${{ metadata: { deletionTimestamp: 'now' } }}                                                   | ${'deleting'}
    ${'its identity'}                     | ${{ metadata: { uid: 'u2' } }}                                                                  | ${'created'}
  `('when it changes $change: $hint', ({ patch, hint }) => {
    expect(workloadChange(viewDeployment(deployment), viewDeployment(merge(deployment, patch as Patch)))).toBe(hint);
  });

  it('counts pods that come up one by one as one change', () => {
    const steps = [0, 1, 2].map((availableReplicas) =>
      viewDeployment(merge(deployment, { status: { availableReplicas } })),
    );
    expect(workloadChange(steps[0], steps[1])).toBeUndefined();
    expect(workloadChange(steps[1], steps[2])).toBe('ready');
  });
});

describe('a rollout', () => {
  const at = (reason: string) =>
    viewDeployment(
      merge(deployment, {
        status: { availableReplicas: 0, conditions: [{ type: 'Progressing', status: 'True', reason }] },
      }),
    );
  it.each`
    from                        | to                            | hint
    ${'NewReplicaSetCreated'}   | ${'ReplicaSetUpdated'}        | ${undefined}
    ${'FoundNewReplicaSet'}     | ${'ReplicaSetUpdated'}        | ${undefined}
    ${'ReplicaSetUpdated'}      | ${'NewReplicaSetAvailable'}   | ${'progressing'}
    ${'ReplicaSetUpdated'}      | ${'ProgressDeadlineExceeded'} | ${'progressing'}
    ${'NewReplicaSetAvailable'} | ${'NewReplicaSetCreated'}     | ${'progressing'}
  `('that goes from $from to $to: $hint', ({ from, to, hint }) => {
    expect(workloadChange(at(from as string), at(to as string))).toBe(hint);
  });
});

const service: KubernetesObject = {
  apiVersion: 'v1',
  kind: 'Service',
  metadata: { name: 'podinfo', namespace: 'shop', uid: 'u1', managedFields: [wrote('serin', '10')] },
  spec: { selector: { app: 'podinfo-primary' } },
};

describe('a generated object', () => {
  const byUs = { managedFields: [wrote('serin', '30')] };
  const byThem = { managedFields: [wrote('serin', '10'), wrote('kubectl', '30')] };
  const repaired = { managedFields: [wrote('kubectl', '20'), wrote('serin', '30')] };
  const statusOnly = { managedFields: [wrote('serin', '10'), wrote('kube-controller-manager', '30', 'status')] };
  // The API server enters nobody who takes fields away, and adds none.
  const taken = { managedFields: [wrote('serin', '10')] };
  const spec = { selector: { app: 'podinfo' } };
  it.each`
    change                             | patch                                               | hint
    ${'what someone else removed'}     | ${{ metadata: taken, spec: { selector: null } }}    | ${'changed'}
    ${'what we changed'}               | ${{ metadata: byUs, spec }}                         | ${undefined}
    ${'what someone else changed'}     | ${{ metadata: byThem, spec }}                       | ${'changed'}
    ${'what we repaired after them'}   | ${{ metadata: repaired, spec }}                     | ${undefined}
    ${'only who wrote it'}             | ${{ metadata: byThem }}                             | ${undefined}
    ${'its status, by its controller'} | ${{ metadata: statusOnly, status: { x: 1 } }}       | ${undefined}
    ${'its owner, by someone else'}    | ${{ metadata: { ...byThem, ownerReferences: [] } }} | ${'changed'}
    ${'an unknown writer'}             | ${{ metadata: { managedFields: [] }, spec }}        | ${'changed'}
    ${'its identity, by someone else'} | ${{ metadata: { ...byThem, uid: 'u2' } }}           | ${'created'}
  `('when it shows $change: $hint', ({ patch, hint }) => {
    const after = viewGenerated(merge(service, patch as Patch), 'serin');
    expect(generatedChange(viewGenerated(merge(service, {}), 'serin'), after)).toBe(hint);
  });

  it('is looked at when it is gone, and when someone else made it', () => {
    const view = viewGenerated(service, 'serin');
    expect(generatedChange(view, undefined)).toBe('deleted');
    expect(generatedChange(undefined, view)).toBeUndefined();
    expect(generatedChange(undefined, viewGenerated(service, 'somebody'))).toBe('created');
  });
});
