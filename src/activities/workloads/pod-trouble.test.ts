import { describe, expect, it } from '@jest/globals';
import { podTrouble } from './pod-trouble.ts';

const pod = (name: string, status: object, created = '2026-01-01T00:00:00Z') => ({
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: { name, creationTimestamp: created },
  status,
});

describe('Q56: why pods are not ready', () => {
  it.each([
    [
      'an image that cannot be had',
      {
        containerStatuses: [
          {
            name: 'web',
            state: { waiting: { reason: 'ImagePullBackOff', message: 'Back-off pulling image "shop:9"' } },
          },
        ],
      },
      'pod shop-1 container web cannot start: ImagePullBackOff: Back-off pulling image "shop:9"',
    ],
    [
      'a missing Secret',
      {
        containerStatuses: [
          {
            name: 'web',
            state: { waiting: { reason: 'CreateContainerConfigError', message: 'secret "db" not found' } },
          },
        ],
      },
      'pod shop-1 container web cannot start: CreateContainerConfigError: secret "db" not found',
    ],
    [
      'a crash, with its exit code and its last words rather than the back-off',
      {
        containerStatuses: [
          {
            name: 'web',
            restartCount: 3,
            state: { waiting: { reason: 'CrashLoopBackOff', message: 'back-off 40s' } },
            lastState: { terminated: { exitCode: 1, reason: 'Error', message: 'starting\nno such table: orders\n' } },
          },
        ],
      },
      'pod shop-1 container web exited with code 1, restarted 3 times: no such table: orders',
    ],
    [
      'too little memory',
      {
        containerStatuses: [
          { name: 'web', restartCount: 1, lastState: { terminated: { exitCode: 137, reason: 'OOMKilled' } } },
        ],
      },
      'pod shop-1 container web exited with code 137 (OOMKilled), restarted 1 times',
    ],
    [
      'an init container that fails',
      {
        initContainerStatuses: [{ name: 'migrate', state: { terminated: { exitCode: 2 } } }],
        containerStatuses: [{ name: 'web', state: { waiting: { reason: 'PodInitializing' } } }],
      },
      'pod shop-1 container migrate exited with code 2',
    ],
    [
      'no node to run on',
      {
        conditions: [
          {
            type: 'PodScheduled',
            status: 'False',
            reason: 'Unschedulable',
            message: '0/3 nodes are available: 3 Insufficient cpu.',
          },
        ],
      },
      'pod shop-1 cannot be scheduled: 0/3 nodes are available: 3 Insufficient cpu.',
    ],
    [
      'a probe that does not succeed',
      { containerStatuses: [{ name: 'web', ready: false, started: true, state: { running: {} } }] },
      'pod shop-1 container web runs, but its readiness probe does not succeed',
    ],
  ])('names %s', (_, status, text) => {
    expect(podTrouble([pod('shop-1', status)])).toBe(text);
  });

  it('speaks of the newest pod, whose revision it is', () => {
    const crashed = (code: number) => ({
      containerStatuses: [{ name: 'web', lastState: { terminated: { exitCode: code } } }],
    });
    const pods = [pod('old', crashed(1)), pod('new', crashed(2), '2026-01-02T00:00:00Z')];
    expect(podTrouble(pods)).toBe('pod new container web exited with code 2');
  });

  it('says nothing when no pod does', () => {
    const ready = { containerStatuses: [{ name: 'web', ready: true, state: { running: {} } }] };
    expect(podTrouble([])).toBeUndefined();
    expect(podTrouble([pod('shop-1', ready)])).toBeUndefined();
  });
});
