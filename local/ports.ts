import { createServer } from 'node:net';
import { randomInt } from 'node:crypto';

const given = new Set<number>();

/**
 * A port of 127.0.0.1 that nobody listens on. It lies below the range the kernel picks outgoing ports from, so that it
 * is still free for a server that comes back after having been killed.
 */
export async function freePort(): Promise<number> {
  for (let attempt = 0; attempt < 200; attempt += 1) {
    const port = randomInt(20_000, 32_000);
    if (given.has(port) || !(await isFree(port))) continue;
    given.add(port);
    return port;
  }
  throw new Error('found no free port on 127.0.0.1 between 20000 and 32000 in 200 attempts');
}

function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const probe = createServer();
    probe.once('error', () => resolve(false));
    probe.listen(port, '127.0.0.1', () => probe.close(() => resolve(true)));
  });
}
