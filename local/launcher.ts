import type { Progress } from './build.ts';
import { freePort } from './ports.ts';
import type { Server } from './process.ts';
import type { Place } from './servers/place.ts';
import type { ToolName } from './tools.ts';

/** Starts servers of the stack under one folder, and ends what it has started. */
export interface Launcher<Name extends ToolName> {
  readonly servers: ReadonlyMap<Name, Server>;
  /** Starts a server at the place found for it. Resolves when it is ready. */
  readonly start: <S extends Server>(name: Name, launch: (place: Place) => Promise<S>) => Promise<S>;
  /** Ends these servers, those that run, at the same time. */
  stop(names: readonly Name[], patienceMs?: number): Promise<void>;
}

export interface LauncherOptions<Name extends ToolName> {
  /** Paths of the programs. */
  readonly tools: Partial<Record<ToolName, string>>;
  readonly directory: string;
  readonly ports: Partial<Record<Name, number>>;
  readonly extraArgs: Partial<Record<Name, readonly string[]>>;
  readonly progress: Progress;
}

export function createLauncher<Name extends ToolName>(options: LauncherOptions<Name>): Launcher<Name> {
  const { tools, directory, ports, extraArgs, progress } = options;
  const servers = new Map<Name, Server>();
  return {
    servers,
    async start(name, launch) {
      const binary = tools[name];
      if (binary === undefined) throw new Error(`${name} was not provided before it was started`);
      const since = Date.now();
      const port = ports[name] ?? (await freePort());
      const server = await launch({ binary, directory, port, extraArgs: extraArgs[name] });
      servers.set(name, server);
      progress(`${name}: ready after ${((Date.now() - since) / 1000).toFixed(1)} s, ${server.address}`);
      return server;
    },
    async stop(names, patienceMs) {
      const stopping = names.flatMap((name) => servers.get(name)?.stop(patienceMs) ?? []);
      await Promise.all(stopping);
    },
  };
}
