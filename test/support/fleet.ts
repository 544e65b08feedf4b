import { join } from 'node:path';
import { freePort } from '../../local/ports.ts';
import type { Server } from '../../local/process.ts';
import { startSerin, type PushRoute, type SerinOptions } from '../../local/serin.ts';
import type { Stack } from '../../local/stack.ts';

/** Several workers and starters of one installation, each a process with a folder and ports of its own. */
export interface Fleet {
  worker(name: string, options?: SerinOptions): Promise<Server>;
  starter(name: string, options?: SerinOptions): Promise<Server>;
  /** Ends all that still runs. */
  stop(): Promise<void>;
}

/** @param common what all of them are started with */
export function openFleet(stack: Stack, common: SerinOptions = {}): Fleet {
  const running: (() => Promise<void>)[] = [];
  const start = async (process: 'worker' | 'starter', name: string, options: SerinOptions) => {
    const place = { ...stack, directory: join(stack.directory, name) };
    const serin = await startSerin(place, { ...common, ...options, only: [process] });
    running.push(() => serin.stop());
    return serin.processes[process];
  };
  return {
    worker: (name, options = {}) => start('worker', name, options),
    starter: (name, options = {}) => start('starter', name, options),
    async stop() {
      await Promise.all(running.map((end) => end()));
    },
  };
}

/** The same receivers at another port, for a second starter. */
export async function elsewhere(route: PushRoute): Promise<PushRoute> {
  const hooksPort = await freePort();
  return {
    ...route,
    hooksPort,
    listener: { ...route.listener, url: route.listener.url.replace(/:\d+\//, `:${hooksPort}/`) },
  };
}
