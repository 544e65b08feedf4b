import { randomUUID } from 'node:crypto';
import type { ImageActivities, ImageChange } from '../../src/activities/images/contract.ts';
import type { imagePoll } from '../../src/workflows/image-poll.ts';
import type { imagePush, ImagePush } from '../../src/workflows/image-push.ts';
import type { Bench } from '../support/temporal.ts';

/** A run about an image that may be in the middle of something when its worker is replaced by a newer version. */
export interface ImageScenario {
  readonly name: string;
  readonly activities: () => ImageActivities;
  /** Plays it; returns the id of the workflow whose run is kept. */
  readonly play: (bench: Bench) => Promise<string>;
}

const digest = `sha256:${'b'.repeat(64)}`;

const push = (more: Partial<ImagePush> = {}): ImagePush => ({
  ...{ receiver: 'prod', source: 'distribution', trust: 'shared-secret', eventId: randomUUID().replaceAll('-', '') },
  ...{ eventIdKind: 'source', host: 'registry.example.com', repository: 'shop/cart', tag: '1.4.2' },
  ...more,
});

const found: ImageChange = { push: { ...push(), source: 'poll', tag: '1.4.3' }, digest };

const world = (more: Partial<ImageActivities> = {}): ImageActivities => ({
  resolveImage: async () => ({ digest }),
  findTargets: async () => ['cart', 'store'].map((name) => ({ namespace: 'shop', name })),
  seekImages: async () => ({ changes: [found] }),
  writeImage: async () => ({ outcome: 'written', images: { cart: digest } }),
  ...more,
});

const pushes = (more: Partial<ImagePush> = {}) =>
  async function play({ client, taskQueue }: Bench): Promise<string> {
    const image = push(more);
    const workflowId = `img/prod/${image.eventId}`;
    await client.workflow.execute<typeof imagePush>('imagePush', {
      ...{ taskQueue, workflowId },
      args: [image, { settleMs: 100, patienceMs: 2_000 }],
    });
    return workflowId;
  };

/** One for each way that a run about images can take. */
export const imageScenarios: readonly ImageScenario[] = [
  { name: 'is-written', activities: () => world(), play: pushes() },
  {
    name: 'is-waited-for',
    activities: () => {
      let asked = 0;
      return world({
        resolveImage: async () => ((asked += 1) < 2 ? { missing: 'HEAD: HTTP 404' } : { digest }),
      });
    },
    play: pushes(),
  },
  {
    name: 'names-one-tag-of-several',
    activities: () =>
      world({
        writeImage: async (_, { push: { tag } }) =>
          tag === '1.4.2' ? { outcome: 'unchanged' } : { outcome: 'written' },
      }),
    play: pushes({ oneOfMany: true }),
  },
  { name: 'is-a-hint', activities: () => world(), play: pushes({ trust: 'none' }) },
  { name: 'is-signed', activities: () => world(), play: pushes({ trust: 'signed', digest, digestIsSigned: true }) },
  {
    name: 'waits-for-a-release',
    activities: () =>
      world({
        writeImage: async (_, { queued }) => ({
          outcome: queued ? 'written' : 'queued',
          reason: 'a release is in progress',
        }),
      }),
    play: pushes(),
  },
  {
    name: 'is-found-by-a-poll',
    activities: () => world(),
    play: async ({ client, taskQueue }) => {
      const workflowId = `poll/shop/cart/cart-${randomUUID()}`;
      await client.workflow.execute<typeof imagePoll>('imagePoll', {
        ...{ taskQueue, workflowId },
        args: [{ canary: { namespace: 'shop', name: 'cart' }, container: 'cart' }, { graceMs: 200 }],
      });
      return workflowId;
    },
  },
];
