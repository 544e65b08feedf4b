import { describe, expect, it } from '@jest/globals';
import { deploymentReadiness, type Deployment } from './deployment.ts';

const now = Date.parse('2026-03-01T12:00:00Z');
const ago = (seconds: number) => new Date(now - seconds * 1000).toISOString();
const rule = { thresholdPercent: 100, deadlineSeconds: 60, now };

const rolledOut = { type: 'Progressing', status: 'True', reason: 'NewReplicaSetAvailable' };
const rolling = { type: 'Progressing', status: 'True', reason: 'ReplicaSetUpdated' };
const unavailable = (seconds: number) => ({
  type: 'Available',
  status: 'False',
  reason: 'MinimumReplicasUnavailable',
  lastUpdateTime: ago(seconds),
});

function deployment(status: Deployment['status'], replicas?: number, generation = 1): Deployment {
  return {
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    metadata: { name: 'shop', namespace: 'prod', generation },
    spec: { replicas, selector: {}, template: {} },
    status: { observedGeneration: 1, ...status },
  };
}

const all = (count: number) => ({ replicas: count, updatedReplicas: count, availableReplicas: count });

describe('TestDeploymentController_isDeploymentReady: a Deployment', () => {
  it('is ready when all its pods are updated and available', () => {
    expect(deploymentReadiness(deployment({ ...all(2), conditions: [rolledOut] }, 2), rule)).toEqual({ ready: true });
  });

  it('is ready with no pods at all: parked, not broken', () => {
    expect(deploymentReadiness(deployment({ conditions: [rolledOut] }, 0), rule)).toEqual({ ready: true });
  });

  const finish = 'waiting for rollout to finish:';
  it.each([
    {
      when: 'its controller has not seen the last change',
      given: deployment({ ...all(2), conditions: [rolledOut] }, 2, 2),
      text: `${finish} observed deployment generation less than desired generation`,
      done: false,
    },
    {
      when: 'not all pods are updated',
      given: deployment({ ...all(1), conditions: [rolling] }, 2),
      text: `${finish} 1 out of 2 new replicas have been updated`,
      done: false,
    },
    {
      when: 'old pods are still there',
      given: deployment({ replicas: 3, updatedReplicas: 2, availableReplicas: 2, conditions: [rolling] }, 2),
      text: `${finish} 1 old replicas are pending termination`,
      done: false,
    },
    {
      when: 'pods are not available',
      given: deployment({ replicas: 2, updatedReplicas: 2, availableReplicas: 1, conditions: [rolling] }, 2),
      text: `${finish} 1 of 2 (readyThreshold 100%) updated replicas are available`,
      done: false,
    },
    {
      when: 'pods got lost after the rollout, or an autoscaler added some (BC-14)',
      given: deployment({ replicas: 14, updatedReplicas: 14, availableReplicas: 10, conditions: [rolledOut] }, 14),
      text: `${finish} 10 of 14 (readyThreshold 100%) updated replicas are available`,
      done: true,
    },
  ])('is awaited while $when', ({ given, text, done }) => {
    expect(deploymentReadiness(given, rule)).toEqual({ ready: false, retriable: true, text, rolledOut: done });
  });

  it('is given up once its own progress deadline has passed', () => {
    const failed = { type: 'Progressing', status: 'False', reason: 'ProgressDeadlineExceeded' };
    expect(deploymentReadiness(deployment({ ...all(2), conditions: [failed] }, 2), rule)).toEqual({
      ready: false,
      retriable: false,
      text: 'deployment "shop" exceeded its progress deadline',
      rolledOut: false,
    });
  });

  it.each`
    seconds | retriable
    ${59}   | ${true}
    ${60}   | ${true}
    ${61}   | ${false}
  `('with its minimum missing for $seconds of 60 seconds is still awaited: $retriable', ({ seconds, retriable }) => {
    const given = { replicas: 2, updatedReplicas: 2, conditions: [rolling, unavailable(Number(seconds))] };
    expect(deploymentReadiness(deployment(given, 2), rule)).toMatchObject({ ready: false, retriable });
  });

  it('has no deadline of the Canary while it keeps its minimum of pods', () => {
    const available = {
      type: 'Available',
      status: 'True',
      reason: 'MinimumReplicasAvailable',
      lastUpdateTime: ago(9999),
    };
    const given = { replicas: 3, updatedReplicas: 1, availableReplicas: 2, conditions: [rolling, available] };
    expect(deploymentReadiness(deployment(given, 2), rule)).toMatchObject({ retriable: true });
  });

  it.each`
    percent | available | ready
    ${50}   | ${2}      | ${true}
    ${50}   | ${1}      | ${false}
    ${0}    | ${0}      | ${true}
    ${99}   | ${3}      | ${true}
  `(
    '_readyThreshold: of 4 updated pods with $available available at $percent % is ready: $ready',
    ({ percent, available, ready }) => {
      const given = deployment({ replicas: 4, updatedReplicas: 4, availableReplicas: Number(available) }, 4);
      expect(deploymentReadiness(given, { ...rule, thresholdPercent: Number(percent) }).ready).toBe(ready);
    },
  );

  it('needs what single precision makes of the percentage, as Flagger does', () => {
    const given = deployment({ replicas: 100, updatedReplicas: 100, availableReplicas: 57 }, 100);
    // 100 × 0.58 is 57.99999999999999 in double precision and 58 in single.
    expect(deploymentReadiness(given, { ...rule, thresholdPercent: 58 })).toMatchObject({
      text: expect.stringContaining('57 of 58'),
    });
  });
});
