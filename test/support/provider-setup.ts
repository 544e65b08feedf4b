import { startStack } from '../../local/stack.ts';
import { atTeardown, say } from './teardown.ts';

/**
 * One API server for all provider tests, with our custom resources and Istio's. No controller runs, so what a test
 * writes, status included, stays as it is. Set `SERIN_TEST_KUBECONFIG` to use a cluster that runs already.
 */
export default async function setUp(): Promise<void> {
  if (process.env.SERIN_TEST_KUBECONFIG) return;
  const stack = await startStack({ parts: ['cluster'], progress: say });
  atTeardown(stack.stop);
  process.env.SERIN_TEST_KUBECONFIG = stack.kubeconfig;
}
