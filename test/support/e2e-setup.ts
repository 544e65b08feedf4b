import { serveControl } from '../../local/control.ts';
import { planPushRoute, startSerin } from '../../local/serin.ts';
import { startStack } from '../../local/stack.ts';
import { atTeardown, say } from './teardown.ts';

/**
 * The whole local stack with worker, starter and load tester, once, for all end-to-end tests. `SERIN_TEST_STACK` describes it as JSON; `openCluster` and
 * `openStack` (cluster.ts) read it. Servers are killed and started again through the stack's control interface, so a test
 * can do that from whichever process Jest runs it in. A stack of `node local/up.ts` is used instead when
 * `SERIN_TEST_STACK` describes it already.
 */
export default async function setUp(): Promise<void> {
  if (process.env.SERIN_TEST_STACK) return;
  const route = await planPushRoute();
  const stack = await startStack({
    ports: { registry: route.registryPort },
    pushListeners: [route.listener],
    progress: say,
  });
  atTeardown(() => stack.stop());
  const serin = await startSerin(stack, { route, minimumIntervalMs: 1_000, drainMs: 500 });
  atTeardown(() => serin.stop());
  stack.scrape('serin', serin.metrics);
  const control = await serveControl(stack, serin);
  atTeardown(() => control.close());
  process.env.SERIN_TEST_STACK = JSON.stringify(control.description);
}
