import { execFileSync } from 'node:child_process';
import { mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { makeOnce } from './cache.ts';

/** The version that people have when they upgrade to this one. */
export interface Previous {
  readonly version: string;
  readonly commit: string;
}

const root = fileURLToPath(new URL('..', import.meta.url));

/** The version given out last, as `test/upgrade/previous.json` names it. */
export function previousVersion(): Previous {
  return JSON.parse(readFileSync(new URL('../test/upgrade/previous.json', import.meta.url), 'utf8')) as Previous;
}

/**
 * A folder with the programs of the version before, built once from its tag. It is in this checkout, where they find the
 * libraries that this version has.
 *
 * @throws Error when the repository has neither its tag nor its commit, as after a shallow clone
 */
export async function previousBuild({ version, commit }: Previous = previousVersion()): Promise<string> {
  const [found] = [`refs/tags/v${version}`, commit].filter(isThere);
  if (found === undefined) {
    throw new Error(`v${version} (${commit}) is not in this repository: git fetch --unshallow --tags`);
  }
  return makeOnce(join(root, '.cache/previous', commit), (part) => {
    mkdirSync(part, { recursive: true });
    const archive = execFileSync('git', ['archive', found], { cwd: root, maxBuffer: 256 * 1024 * 1024 });
    execFileSync('tar', ['-x', '-C', part], { input: archive });
    for (const args of [
      [join(root, 'node_modules/typescript/bin/tsc'), '-p', 'tsconfig.build.json'],
      ['dist/bundle.js'],
    ])
      execFileSync(process.execPath, args, { cwd: part, stdio: 'pipe', env: { ...process.env, NODE_OPTIONS: '' } });
    return Promise.resolve();
  });
}

function isThere(revision: string): boolean {
  try {
    execFileSync('git', ['cat-file', '-e', `${revision}^{commit}`], { cwd: root, stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
}
