import { serveControl } from '../../local/control.ts';
import { startStack } from '../../local/stack.ts';
import { atTeardown, say } from './teardown.ts';

/**
 * The whole local stack, once, for all end-to-end tests. `SERIN_TEST_STACK` describes it as JSON; `openCluster` and
 * `openStack` (cluster.ts) read it. Servers are killed and started again through the stack's control interface, so a test
 * can do that from whichever process Jest runs it in. A stack of `node local/up.ts` is used instead when
 * `SERIN_TEST_STACK` describes it already.
 */
export default async function setUp(): Promise<void> {
  if (process.env.SERIN_TEST_STACK) return;
  const stack = await startStack({ progress: say });
  const control = await serveControl(stack);
  atTeardown(async () => {
    await control.close();
    await stack.stop();
  });
  process.env.SERIN_TEST_STACK = JSON.stringify(control.description);
}
