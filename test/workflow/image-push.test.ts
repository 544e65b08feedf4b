import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { WorkflowExecutionAlreadyStartedError } from '@temporalio/client';
import type { ImageActivities, Sought } from '../../src/activities/images/contract.ts';
import { failure } from '../../src/errors.ts';
import type { imagePush, ImagePush, ImagePushOptions } from '../../src/workflows/image-push.ts';
import { openBench, type Bench } from '../support/temporal.ts';

let bench: Bench;
beforeAll(async () => (bench = await openBench()));
afterAll(() => bench.close());

const A = `sha256:${'a'.repeat(64)}`;
const B = `sha256:${'b'.repeat(64)}`;

const push = (more: Partial<ImagePush> = {}): ImagePush => ({
  receiver: 'prod',
  source: 'distribution',
  eventId: randomUUID().replaceAll('-', ''),
  host: 'registry.example.com',
  repository: 'shop/cart',
  tag: '1.4.2',
  ...more,
});

/** A registry and a cluster in a few lines. */
function world(answers: (string | undefined)[], targets: readonly string[] = ['cart']) {
  const written: string[] = [];
  let asked = 0;
  const activities: ImageActivities = {
    async resolveImage() {
      const digest = answers[Math.min(asked++, answers.length - 1)];
      return digest === undefined ? { missing: 'HEAD …: HTTP 404' } : { digest };
    },
    async seekImages() {
      return { changes: [] };
    },
    async findTargets() {
      return targets.map((name) => ({ namespace: 'shop', name }));
    },
    async writeImage({ name }, { digest }) {
      if (name === 'forbidden') throw failure('Unauthorized', 'deployments "forbidden" is forbidden');
      written.push(`${name} ${digest}`);
      return { outcome: 'written', images: { cart: digest } };
    },
  };
  return { activities, written, asked: () => asked };
}

const start = (image: ImagePush, options: ImagePushOptions) =>
  bench.client.workflow.start<typeof imagePush>('imagePush', {
    taskQueue: bench.taskQueue,
    workflowId: `img/${image.receiver}/${image.eventId}`,
    workflowIdReusePolicy: 'REJECT_DUPLICATE',
    args: [image, options],
  });

const run = (activities: ImageActivities, image: ImagePush, options: ImagePushOptions = { settleMs: 0 }) =>
  bench.whileWorking(activities, async () => (await start(image, options)).result());

describe('a pushed image', () => {
  it('is written, by the digest the registry names, to every Canary that follows it', async () => {
    const { activities, written } = world([B], ['cart', 'store']);
    const result = await run(activities, push());
    expect(written.sort()).toEqual([`cart ${B}`, `store ${B}`]);
    expect(result).toMatchObject({ image: 'registry.example.com/shop/cart:1.4.2', digest: B });
    expect(result.targets.map(({ canary, outcome }) => `${canary} ${outcome}`)).toEqual([
      'shop/cart written',
      'shop/store written',
    ]);
  });

  it('waits for a registry that does not show it yet, and then takes the registry’s word for it', async () => {
    const { activities, written, asked } = world([undefined, A, B]);
    await run(activities, push({ digest: B }));
    expect([written, asked()]).toEqual([[`cart ${B}`], 3]);
  });

  it('that moved on since the event is written as it is now, once patience is over', async () => {
    const { activities, written } = world([A]);
    const result = await run(activities, push({ digest: B }), { settleMs: 0, patienceMs: 1_500 });
    expect(written).toEqual([`cart ${A}`]);
    expect(result.digest).toBe(A);
  });

  it('that never appears changes nothing, and the run says why', async () => {
    const { activities, written } = world([undefined]);
    const result = await run(activities, push(), { settleMs: 0, patienceMs: 1_500 });
    expect(result).toEqual({ image: 'registry.example.com/shop/cart:1.4.2', reason: 'HEAD …: HTTP 404', targets: [] });
    expect(written).toEqual([]);
  });

  it('that one target may not have still reaches the others', async () => {
    const { activities, written } = world([B], ['forbidden', 'cart']);
    const result = await run(activities, push());
    expect(written).toEqual([`cart ${B}`]);
    expect(result.targets).toMatchObject([
      { canary: 'shop/forbidden', outcome: 'failed', reason: expect.stringContaining('forbidden') },
      { canary: 'shop/cart', outcome: 'written' },
    ]);
  });

  it('that nobody follows is no failure', async () => {
    const result = await run(world([B], []).activities, push());
    expect(result).toMatchObject({ digest: B, reason: 'no Canary follows this repository', targets: [] });
  });

  it('that names one tag of several brings the others that policies want as well', async () => {
    const { activities, written } = world([B], ['cart']);
    const other = { push: push({ tag: '1.4.3' }), digest: A };
    const asked: Sought[] = [];
    const more: ImageActivities = {
      ...activities,
      async writeImage(canary, change) {
        return change.push.tag === '1.4.2'
          ? { outcome: 'unchanged', reason: 'cart: no-match' }
          : activities.writeImage(canary, change);
      },
      async seekImages(_, sought) {
        asked.push(sought);
        return { changes: [other] };
      },
    };
    const image = push({ oneOfMany: true });
    expect((await run(more, image)).targets).toMatchObject([{ canary: 'shop/cart', outcome: 'written' }]);
    expect([written, asked]).toEqual([[`cart ${A}`], [{ push: image }]]);
    // What it names itself is enough where a policy wants that.
    asked.length = 0;
    await run({ ...more, writeImage: activities.writeImage }, push({ oneOfMany: true }));
    expect(asked).toEqual([]);
  });

  it('whose other tags one Canary may not be asked about still reaches the others', async () => {
    const { activities, written } = world([B], ['forbidden', 'cart']);
    const result = await run(
      {
        ...activities,
        async writeImage(canary, change) {
          if (change.push.tag === '1.4.2') return { outcome: 'unchanged', reason: 'cart: no-match' };
          return activities.writeImage(canary, change);
        },
        async seekImages({ name }) {
          if (name === 'forbidden') throw failure('Unauthorized', 'secrets "pull" is forbidden');
          return { changes: [{ push: push({ tag: '1.4.3' }), digest: A }] };
        },
      },
      push({ oneOfMany: true }),
    );
    expect(written).toEqual([`cart ${A}`]);
    expect(result.targets).toMatchObject([
      { canary: 'shop/forbidden', outcome: 'failed', reason: expect.stringContaining('forbidden') },
      { canary: 'shop/cart', outcome: 'written' },
    ]);
  });

  it('of nobody in particular is worth a look at the registry, and its words are worth nothing', async () => {
    const { activities, written, asked } = world([B], ['cart']);
    const found = { push: push({ tag: '1.4.1' }), digest: A };
    const result = await run(
      { ...activities, seekImages: async () => ({ changes: [found] }) },
      push({ trust: 'none', digest: B }),
    );
    expect([written, asked()]).toEqual([[`cart ${A}`], 0]);
    expect(result.digest).toBeUndefined();
  });

  it('R7: whose registry stays silent is not believed, unless it is signed and its receiver allows that', async () => {
    const { activities, written } = world([B], ['cart']);
    const silent: ImageActivities = {
      ...activities,
      resolveImage: async () => {
        throw failure('Unauthorized', 'wants a token from evil.example.net');
      },
    };
    const signed = { trust: 'signed', digest: A, digestIsSigned: true } as const;
    expect(await run(silent, push(signed))).toMatchObject({ digest: A });
    expect(written).toEqual([`cart ${A}`]);
    for (const more of [
      { ...signed, trust: 'shared-secret' },
      { ...signed, digestIsSigned: false },
      { trust: 'signed', digestIsSigned: true },
    ] as const)
      await expect(run(silent, push(more))).rejects.toThrow();
    expect(written).toHaveLength(1);
  });

  it('R7: whose registry is down for a while is written once it answers, whatever the event said', async () => {
    const { activities, written } = world([B]);
    let asked = 0;
    const down: ImageActivities = {
      ...activities,
      resolveImage: async (image) => {
        asked += 1;
        if (asked <= 2) throw failure('Unavailable', 'HEAD …: connection refused');
        expect(written).toEqual([]);
        return activities.resolveImage(image);
      },
    };
    expect(await run(down, push({ digest: B }))).toMatchObject({ digest: B, targets: [{ outcome: 'written' }] });
    expect([written, asked]).toEqual([[`cart ${B}`], 3]);
  });

  it('that has to wait for the end of a release does, and keeps nobody else waiting', async () => {
    const { activities, written } = world([B], ['busy', 'cart']);
    const order: string[] = [];
    let looks = 0;
    const result = await run(
      {
        ...activities,
        async writeImage(canary, change) {
          if (canary.name !== 'busy') {
            order.push('cart');
            return activities.writeImage(canary, change);
          }
          order.push(`busy ${change.queued === true}`);
          looks += 1;
          return looks < 2
            ? { outcome: 'queued', reason: 'a release is in progress' }
            : activities.writeImage(canary, change);
        },
      },
      push(),
    );
    expect(order.sort()).toEqual(['busy false', 'busy true', 'cart']);
    expect(written.sort()).toEqual([`busy ${B}`, `cart ${B}`]);
    expect(result.targets.map(({ outcome }) => outcome)).toEqual(['written', 'written']);
  });

  it('delivered again is the same run, also after it has ended', async () => {
    const image = push();
    await run(world([B]).activities, image);
    await expect(start(image, {})).rejects.toThrow(WorkflowExecutionAlreadyStartedError);
  });
});
