import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import type { ServerSpec } from '../process.ts';

/** Where a server is put: its program, a folder for its data, and the port it takes. */
export interface Place {
  readonly binary: string;
  readonly directory: string;
  readonly port: number;
  /** Flags added at the end, for the experiment at hand. */
  readonly extraArgs?: readonly string[];
}

/** The parts of a specification that are alike for every server: data in `<directory>/<name>`, log in `<directory>/<name>.log`. */
export function placed(name: string, { binary, directory, extraArgs = [] }: Place, args: readonly string[]) {
  const data = dataFolder(directory, name);
  return {
    name,
    command: binary,
    args: [...args, ...extraArgs],
    directory: data,
    log: join(directory, `${name}.log`),
  } satisfies Partial<ServerSpec>;
}

export function dataFolder(directory: string, name: string): string {
  const data = join(directory, name);
  mkdirSync(data, { recursive: true });
  return data;
}
