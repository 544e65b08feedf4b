import { accessSync, constants, statSync } from 'node:fs';
import { delimiter, join } from 'node:path';

/** The first file on `PATH` that can be executed under this name. */
export function programOnPath(name: string, env: NodeJS.ProcessEnv): string | undefined {
  const folders = (env.PATH ?? '').split(delimiter).filter((folder) => folder !== '');
  return folders.map((folder) => join(folder, name)).find(isExecutable);
}

export function isExecutable(path: string): boolean {
  return isFileFor(path, constants.X_OK);
}

export function isReadable(path: string): boolean {
  return isFileFor(path, constants.R_OK);
}

function isFileFor(path: string, access: number): boolean {
  try {
    accessSync(path, access);
    return statSync(path).isFile();
  } catch {
    // Absent, or not for us: either way it is of no use.
    return false;
  }
}
