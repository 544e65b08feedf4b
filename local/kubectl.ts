import { execFileSync } from 'node:child_process';
import { provideTool } from './tools.ts';

/** Runs kubectl against a cluster. Resolves to what it prints. @throws Error with what it says, when it does not succeed */
export type Kubectl = (args: readonly string[], input?: string) => string;

/** kubectl for a kubeconfig. Its own is not looked at. */
export async function kubectlFor(kubeconfig: string): Promise<Kubectl> {
  const program = await provideTool('kubectl', () => undefined);
  return (args, input) => {
    try {
      return execFileSync(program, ['--kubeconfig', kubeconfig, ...args], {
        ...{ encoding: 'utf8', stdio: 'pipe', maxBuffer: 64 * 1024 * 1024 },
        ...(input === undefined ? {} : { input }),
      });
    } catch (error) {
      const { stderr, message } = error as { stderr?: string; message: string };
      throw new Error(stderr || message, { cause: error });
    }
  };
}
