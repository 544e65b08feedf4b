import { describe, expect, it } from '@jest/globals';
import { lookedAt, observed } from '../../../test/support/releases.ts';
import { events, playCanary, release, settings, settled } from '../../../test/support/script.ts';
import type { Act, Script, State } from '../../simulation/world.ts';
import { decide, outcome } from './release.ts';

const reverting = settings({}, { revertOnDeletion: true });

/** A Canary at rest, with the finalizer it was given; it is deleted at second 5. */
const timeline = (script: Partial<Script> = {}) =>
  playCanary({ start: settled, settings: reverting, acts: [touched, deleted], ...script });

const touched: Act = { atMs: 1_000, do: () => undefined };
const deleted: Act = { atMs: 5_000, do: (world) => void (world.deleting = true) };

describe('revertOnDeletion', () => {
  it('has the Canary wait for us, and no longer than it says so', () => {
    const off: Act = { atMs: 2_000, do: (world) => void (world.settings = settings()) };
    expect(timeline({ acts: [touched] }).world.finalizer).toBe(true);
    expect(timeline({ acts: [touched, off] }).world.finalizer).toBe(false);
  });

  it('BC-18: gives replicas first, then, once the pods are ready, traffic, and then lets the primary go', () => {
    const { lines, world, outcomes } = timeline();
    expect(events(lines)).toEqual([
      'Terminating canary shop.prod',
      'W canary not ready during finalizing: canary deployment shop.prod not ready: waiting for rollout to finish: ' +
        '0 of 1 (readyThreshold 100%) updated replicas are available',
      'Terminated canary shop.prod',
    ]);
    const at = (what: string) => lines.find((line) => line.kind === 'reverted' && line.what === what)?.at ?? NaN;
    expect(at('revert-apex')).toBeGreaterThanOrEqual(world.targetReadyAt);
    expect(at('gone') - at('revert-routes')).toBeGreaterThanOrEqual(1_000);
    expect(world).toMatchObject({ deleted: true, targetReplicas: 1, status: { phase: 'Terminating' } });
    expect(outcomes.at(-1)?.outcome).toBe('deleted');
  });

  it('Q25: ends a release in the middle, and nothing undoes the revert', () => {
    const midway = ({ status }: Readonly<State>) => status.canaryWeight === 20;
    const { lines, world } = timeline({
      acts: [release('v1:2', 1_000), { atMs: 0, when: midway, do: (state) => void (state.deleting = true) }],
    });
    expect(world.deleted).toBe(true);
    const since = lines.findIndex((line) => line.kind === 'event' && line.message.startsWith('Terminating'));
    expect(lines.slice(since).some((line) => line.kind === 'weights')).toBe(false);
  });

  it('TestFinalizer_finalizeReturnsReadinessError: says why it waits, also once a deadline has passed, and keeps waiting', () => {
    const broken = {
      ready: false,
      retriable: false,
      rolledOut: false,
      message: 'canary deployment shop.prod not ready: deployment "shop" exceeded its progress deadline',
    } as const;
    const found = observed({ phase: 'Terminating' }, {}, reverting);
    const going: typeof found = {
      ...found,
      canary: { ...found.canary!, deleting: true, finalizer: true },
      target: { ...found.target!, available: 0, readiness: broken },
    };
    const waiting = { ...lookedAt(going), reverted: 'target' as const };
    const action = decide(waiting, 0);
    const event = { type: 'Warning', message: `canary not ready during finalizing: ${broken.message}` };
    expect(action).toMatchObject({
      type: 'carry-out',
      plan: { verb: 'tell', steps: [{ do: 'record-event', event }] },
    });
  });

  it('goes on where a lost worker left it', () => {
    const half = ({ status }: Readonly<State>) => status.phase === 'Terminating';
    const { lines, world } = timeline({
      acts: [touched, deleted, { atMs: 0, when: half, do: () => undefined, forget: true }],
    });
    expect(world.deleted).toBe(true);
    expect(events(lines).filter((event) => event.startsWith('Terminating'))).toHaveLength(1);
  });

  it('BC-17: a target that is gone counts as reverted, and says so', () => {
    const gone: Act = { atMs: 4_000, do: (world) => void (world.targetMissing = true), hints: false };
    const { lines, world } = timeline({ acts: [touched, gone, deleted] });
    expect(world.deleted).toBe(true);
    expect(events(lines)[0]).toContain(
      'W canary shop.prod is deleted without reverting anything: deployment shop.prod',
    );
  });

  it('works while the Canary is suspended', () => {
    const suspended: Act = {
      atMs: 2_000,
      do: (world) => void (world.settings = settings({}, { revertOnDeletion: true, suspend: true })),
    };
    expect(timeline({ acts: [touched, suspended, deleted] }).world.deleted).toBe(true);
  });

  it('a spec that cannot be read neither adds nor removes the finalizer while the Canary lives', () => {
    const problem = { reason: 'InvalidSpec', message: 'invalid canary spec: x' };
    const found = observed({ phase: 'Succeeded' }, { problem });
    const held = { ...found, canary: { ...found.canary!, finalizer: true } };
    expect(decide(lookedAt(held), 0)).not.toMatchObject({ plan: { steps: [{ do: 'set-finalizer' }] } });
  });

  it('Q25: a spec that cannot be read does not hold up the deletion, and is told', () => {
    const problem = { reason: 'InvalidSpec', message: 'invalid canary spec: x' };
    const found = observed({ phase: 'Succeeded' }, { problem, target: undefined });
    const going = lookedAt({ ...found, canary: { ...found.canary!, finalizer: true, deleting: true } });
    const message = `canary shop.prod is deleted without reverting anything: ${problem.message}`;
    expect(decide(going, 0)).toMatchObject({
      plan: {
        steps: [
          { do: 'record-event', event: { type: 'Warning', message } },
          { do: 'record-event' },
          { do: 'set-finalizer', present: false },
        ],
      },
    });
  });

  it('Q26: without it a Canary that is deleted is none of our business, and the target stays at zero', () => {
    const found = observed({ phase: 'Succeeded' });
    const going = lookedAt({ ...found, canary: { ...found.canary!, deleting: true } });
    expect(decide(going, 0)).toEqual({ type: 'rest' });
    expect(outcome(going).outcome).toBe('deleted');
  });
});
