import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { WorkflowExecutionAlreadyStartedError } from '@temporalio/client';
import type { ImageActivities } from '../../src/activities/images/contract.ts';
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

  it('delivered again is the same run, also after it has ended', async () => {
    const image = push();
    await run(world([B]).activities, image);
    await expect(start(image, {})).rejects.toThrow(WorkflowExecutionAlreadyStartedError);
  });
});
