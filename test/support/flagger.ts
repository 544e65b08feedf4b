import { mkdtempSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { freePort } from '../../local/ports.ts';
import { answers } from '../../local/probe.ts';
import { startServer, type Server } from '../../local/process.ts';
import { provideTool } from '../../local/tools.ts';
import { openStack } from './cluster.ts';
import { say } from './teardown.ts';

/** Flagger itself, on the stack of the level, in all namespaces. */
export async function startFlagger(): Promise<Server & { clear(): void }> {
  const { kubeconfig, prometheus } = openStack();
  const directory = mkdtempSync(join(tmpdir(), 'serin-flagger-'));
  // It signs what it writes with the name of its program.
  const command = join(directory, 'flagger');
  symlinkSync(await provideTool('flagger', say), command);
  const port = await freePort();
  const address = `127.0.0.1:${port}`;
  const server = await startServer({
    name: 'flagger',
    command,
    args: [
      `-kubeconfig=${kubeconfig}`,
      '-mesh-provider=istio',
      `-metrics-server=${prometheus}`,
      `-port=${port}`,
      '-log-level=info',
    ],
    directory,
    log: join(directory, 'flagger.log'),
    address,
    ready: () => answers(`http://${address}/healthz`),
  });
  return { ...server, clear: () => rmSync(directory, { recursive: true, force: true }) };
}
