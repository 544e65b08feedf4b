import { run } from '../../src/cli/index.ts';
import { openStack } from './cluster.ts';

/** Runs `serin` against the stack of the end-to-end level. */
export async function serin(...argv: string[]): Promise<{ readonly code: number; readonly out: string }> {
  const { kubeconfig, temporal } = openStack();
  const out: string[] = [];
  const env = { SERIN_KUBECONFIG: kubeconfig, TEMPORAL_ADDRESS: temporal, SERIN_ACTOR: 'ann' };
  const code = await run(argv, { env, out: (line) => void out.push(line), err: (line) => void out.push(line) });
  return { code, out: out.join('\n') };
}
