import { describe, expect, it } from '@jest/globals';
import { events, hook, playCanary, release, settings, settled, statuses } from '../../../test/support/script.ts';
import type { Act, Play, Script, State } from '../../simulation/world.ts';

const timeline = (script: Partial<Script> = {}) =>
  playCanary({ start: settled, acts: [release('v1:2', 1_000)], ...script });

/** What the `Stalled` condition was set to, in order; undefined where it was taken away. */
const conditions = ({ decisions }: Play) =>
  decisions.flatMap(({ action }) =>
    action.type !== 'carry-out'
      ? []
      : action.plan.steps.flatMap((step) =>
          step.do === 'write-status' && step.status.stalled !== undefined ? [step.status.stalled ?? undefined] : [],
        ),
  );
const down = (from: number, to: number) => (now: number) => (now > from && now < to ? 'connection refused' : undefined);
const unavailable = { reason: 'Unavailable', message: 'Prometheus query failed: connection refused' };

describe('checks that cannot be made', () => {
  it('are a condition, written once for all its ticks, and gone with the first that is made', () => {
    const play = timeline({ settings: settings({ threshold: 5 }), metricsDown: down(10_000, 50_000) });
    expect(events(play.lines).filter((event) => event.includes('query failed'))).toHaveLength(4);
    expect(conditions(play)).toEqual([unavailable, undefined]);
    expect(play.world).toMatchObject({ status: { phase: 'Succeeded', failedChecks: 0 }, stalled: undefined });
  });

  it('leave no condition behind when they end the release, nor when it is promoted or goes away', () => {
    const away = down(10_000, 1_000_000);
    const rolledBack = timeline({ metricsDown: away });
    expect(rolledBack.world).toMatchObject({ status: { phase: 'Failed' }, stalled: undefined });
    const when = ({ stalled }: Readonly<State>) => stalled !== undefined;
    const ordered = (act: Partial<Act>) =>
      timeline({
        settings: settings({ threshold: 9 }),
        metricsDown: away,
        acts: [release('v1:2', 1_000), { atMs: 0, when, do: () => undefined, ...act }],
      });
    const promoted = ordered({ order: { kind: 'promote', order: {} } });
    expect(promoted.world).toMatchObject({ status: { phase: 'Succeeded' }, stalled: undefined });
    const back = ordered({ do: (world) => void (world.targetRevision = 'v1:1') });
    expect(back.world).toMatchObject({ status: { phase: 'Succeeded' }, stalled: undefined });
    for (const play of [rolledBack, promoted, back]) expect(conditions(play)).toEqual([unavailable, undefined]);
  });

  it('are told anew by a run that begins in their midst', () => {
    const when = ({ stalled }: Readonly<State>) => stalled !== undefined;
    const play = timeline({
      settings: settings({ threshold: 9 }),
      metricsDown: down(10_000, 60_000),
      acts: [release('v1:2', 1_000), { atMs: 0, when, do: () => undefined, forget: true }],
    });
    expect(conditions(play)).toEqual([unavailable, undefined, unavailable, undefined]);
  });

  it.each(['rollout', 'pre-rollout'] as const)('a %s hook that says no, or does not answer, is one', (type) => {
    let asked = 0;
    const play = timeline({
      settings: settings({ threshold: 5, hooks: [hook('load', type)] }),
      hook: () => (++asked <= 2 ? 'timed out' : undefined),
    });
    const what = type === 'rollout' ? 'external' : 'pre-rollout';
    const message = `Halt shop.prod advancement ${what} check load failed timed out`;
    expect(conditions(play)).toEqual([{ reason: 'Unavailable', message }, undefined]);
    expect(play.world.status).toMatchObject({ phase: 'Succeeded', failedChecks: 2 });
  });
});

describe('checks that say that the canary is bad', () => {
  it('are what an analysis is for, and no condition', () => {
    const play = timeline({ acts: [release('v1:2-err50', 1_000)] });
    expect(statuses(play.lines).at(-1)).toBe('Failed 0 0');
    expect(conditions(play)).toEqual([]);
  });
});

describe('what of a spec cannot be read', () => {
  const unheeded = 'spec.analysis.interval: "10sfoo"; a minute is used';
  const written = ({ decisions }: Play) =>
    decisions.flatMap(({ action }) =>
      action.type !== 'carry-out'
        ? []
        : action.plan.steps.flatMap((step) =>
            step.do === 'write-status' && step.status.warned !== undefined ? [step.status.warned] : [],
          ),
    );

  it('is a condition for as long as something else is in force, and holds nothing up', () => {
    const mend: Act = { atMs: 300_000, do: (world) => void (world.unheeded = undefined) };
    const play = timeline({ start: { ...settled, unheeded }, acts: [release('v1:2', 1_000), mend] });
    expect(play.world.status.phase).toBe('Succeeded');
    expect(written(play)).toEqual([unheeded, null]);
    expect(play.world).toMatchObject({ warned: undefined, stalled: undefined });
  });

  it('costs no write where it is known', () => {
    const play = timeline({ start: { ...settled, unheeded, warned: unheeded } });
    expect(written(play)).toEqual([]);
    expect(play.world.warned).toBe(unheeded);
  });
});

describe('the alert of a rollback', () => {
  const ends = ({ lines }: Play) =>
    lines.flatMap((line) => (line.kind === 'alert' && line.severity === 'error' ? [line] : []));

  it('has the check that filled the measure', () => {
    const [alert, ...others] = ends(timeline({ acts: [release('v1:2-err50', 1_000)] }));
    expect(others).toEqual([]);
    expect(alert).toMatchObject({
      message: 'Failed checks threshold reached 2',
      check: { name: 'request-success-rate', value: '50.00%', min: '99%' },
    });
  });

  it('has the check that had no verdict', () => {
    expect(ends(timeline({ metricsDown: down(10_000, 1_000_000) }))).toMatchObject([
      { message: 'No verdict for 2 checks', check: { name: 'request-success-rate', error: 'connection refused' } },
    ]);
  });

  it('has the hook that said no', () => {
    const play = timeline({
      settings: settings({ hooks: [hook('smoke', 'pre-rollout')] }),
      hook: () => 'exit status 1',
    });
    expect(ends(play)).toMatchObject([{ check: { name: 'smoke', error: 'exit status 1' } }]);
  });
});
