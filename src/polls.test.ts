import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { createLog } from './log.ts';
import { createPolls, type Polls, type PollSchedule, type PollSchedules } from './polls.ts';
import { wantedPolls, type ImageFollower, type WantedPoll } from './watch/images.ts';
import type { KubernetesObject } from './clients/kubernetes.ts';

const follower = (name: string, policies: object[] | undefined, more: Record<string, string> = {}): ImageFollower => ({
  canary: { namespace: 'shop', name },
  suspended: false,
  deleting: false,
  ...(policies ? { images: { annotations: { 'serin.dev/image-policies': JSON.stringify(policies), ...more } } } : {}),
});
const semver = (container: string) => ({ container, policy: 'semver:^1' });

const trigger = (name: string, canary: string, spec: object = {}): KubernetesObject => ({
  apiVersion: 'serin.dev/v1alpha1',
  kind: 'ImageTrigger',
  metadata: { namespace: 'shop', name },
  spec: {
    canaryRef: { name: canary },
    receivers: ['prod'],
    images: [{ container: 'web', policy: { semver: { range: '^1' } } }],
    ...spec,
  },
});

const ids = (...input: Parameters<typeof wantedPolls>) => [...wantedPolls(...input).keys()].sort();

describe('what is polled', () => {
  it('is every image that follows tags, by annotation or ImageTrigger', () => {
    const volume = { container: 'model', kind: 'imageVolume', policy: 'exact:prod' };
    const canaries = [
      follower('cart', [semver('cart'), volume]),
      follower('plain', undefined),
      follower('web', undefined),
      follower('garbled', [{ container: 'x', policy: 'newest-build' }]),
      follower('never', [semver('x')], { 'serin.dev/image-poll': 'off' }),
      { ...follower('gone', [semver('x')]), deleting: true },
    ];
    expect(ids(canaries, [trigger('web', 'web')])).toEqual([
      'poll/shop/cart/cart',
      'poll/shop/cart/volume/model',
      'poll/shop/web/web',
    ]);
  });

  it('an ImageTrigger wins over annotations, and may forbid them to its namespace', () => {
    const canaries = [follower('cart', [semver('cart')]), follower('other', [semver('other')])];
    expect(ids(canaries, [trigger('t', 'cart')])).toEqual(['poll/shop/cart/web', 'poll/shop/other/other']);
    expect(ids(canaries, [trigger('t', 'cart', { forbidAnnotations: true })])).toEqual(['poll/shop/cart/web']);
  });

  it('has the interval that is asked for, and rests while images are suspended', () => {
    const of = (one: ImageFollower) => [...wantedPolls([one], []).values()][0];
    expect(of(follower('cart', [semver('cart')]))).toMatchObject({ intervalMs: 600_000, suspended: false });
    const slow = { 'serin.dev/image-poll': '1h', 'serin.dev/image-suspend': 'true' };
    expect(of(follower('cart', [semver('cart')], slow))).toMatchObject({ intervalMs: 3_600_000, suspended: true });
    expect(of({ ...follower('cart', [semver('cart')]), suspended: true })).toMatchObject({ suspended: true });
  });
});

describe('polls', () => {
  let schedules: Map<string, PollSchedule>;
  let done: string[];
  let wanted: ReadonlyMap<string, WantedPoll> | undefined;
  let temporalIsDown: boolean;
  let stop: AbortController;
  let running: Promise<void>;
  let polls: Polls;

  const fake: PollSchedules = {
    async *list(prefix) {
      if (temporalIsDown) throw new Error('UNAVAILABLE');
      for (const schedule of schedules.values()) if (schedule.id.startsWith(prefix)) yield schedule;
    },
    async create(id, { intervalMs }, { offsetMs, jitterMs, pausedBecause }) {
      done.push(`create ${id}`);
      expect(offsetMs).toBeLessThan(intervalMs);
      expect(jitterMs).toBeLessThanOrEqual(intervalMs / 10);
      schedules.set(id, { id, intervalMs, paused: pausedBecause !== undefined, note: pausedBecause ?? '' });
    },
    async setInterval(id, { intervalMs }) {
      done.push(`interval ${id} ${intervalMs}`);
      schedules.set(id, { ...schedules.get(id)!, intervalMs });
    },
    async pause(id, note) {
      done.push(`pause ${id}`);
      schedules.set(id, { ...schedules.get(id)!, paused: true, note });
    },
    async resume(id) {
      done.push(`resume ${id}`);
      schedules.set(id, { ...schedules.get(id)!, paused: false, note: '' });
    },
    async remove(id) {
      done.push(`remove ${id}`);
      schedules.delete(id);
    },
  };

  beforeEach(() => {
    [schedules, done, wanted, temporalIsDown] = [new Map(), [], undefined, false];
    stop = new AbortController();
    polls = createPolls({
      schedules: fake,
      wanted: () => wanted,
      namespace: 'shop',
      log: createLog('error', () => undefined),
    });
    running = polls.run(stop.signal);
  });
  afterEach(async () => {
    stop.abort();
    await running;
  });

  async function settled(what: string[]): Promise<void> {
    for (let tries = 0; done.length < what.length; tries += 1) {
      if (tries > 300) throw new Error(`only ${done.join(', ')}`);
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
    expect(done.splice(0)).toEqual(what);
  }

  const want = (...followers: ImageFollower[]) => {
    wanted = wantedPolls(followers, []);
    polls.wake();
  };

  it('touch nothing before all is listed, and no other namespace’s', async () => {
    for (const id of ['poll/shop/old/x', 'poll/elsewhere/cart/cart', 'backup'])
      schedules.set(id, { id, intervalMs: 600_000, paused: false, note: '' });
    polls.wake();
    await new Promise((resolve) => setTimeout(resolve, 50));
    expect(done).toEqual([]);
    want(follower('cart', [semver('cart')]));
    await settled(['remove poll/shop/old/x', 'create poll/shop/cart/cart']);
    expect([...schedules.keys()].sort()).toEqual(['backup', 'poll/elsewhere/cart/cart', 'poll/shop/cart/cart']);
  });

  it('follow what is asked for; R9: what was missed in a suspension is looked for once it ends', async () => {
    const cart = follower('cart', [semver('cart')]);
    want({ ...cart, suspended: true });
    await settled(['create poll/shop/cart/cart']);
    expect(schedules.get('poll/shop/cart/cart')).toMatchObject({ paused: true });
    want(cart);
    await settled(['resume poll/shop/cart/cart']);
    want(follower('cart', [semver('cart')], { 'serin.dev/image-poll': '5m' }));
    await settled(['interval poll/shop/cart/cart 300000']);
    want();
    await settled(['remove poll/shop/cart/cart']);
  });

  it('that people paused stay paused', async () => {
    const id = 'poll/shop/cart/cart';
    schedules.set(id, { id, intervalMs: 600_000, paused: true, note: 'the registry is being moved' });
    want(follower('cart', [semver('cart')]), follower('new', [semver('new')]));
    await settled(['create poll/shop/new/new']);
    expect(schedules.get(id)).toMatchObject({ paused: true });
  });

  it('are brought up to date once Temporal is back', async () => {
    temporalIsDown = true;
    want(follower('cart', [semver('cart')]));
    await new Promise((resolve) => setTimeout(resolve, 50));
    expect(done).toEqual([]);
    temporalIsDown = false;
    await settled(['create poll/shop/cart/cart']);
  });
});
