import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { cacheFolder, makeOnce } from './cache.ts';

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
 * A folder with the programs of the version before, built once from its tag with the libraries of this one and kept in
 * the cache. It is in this checkout, where they find those libraries.
 *
 * @throws Error when the repository has neither its tag nor its commit, as after a shallow clone
 */
export async function previousBuild({ version, commit }: Previous = previousVersion()): Promise<string> {
  const [found] = [`refs/tags/v${version}`, commit].filter(isThere);
  if (found === undefined) {
    throw new Error(`v${version} (${commit}) is not in this repository: git fetch --unshallow --tags`);
  }
  const libraries = createHash('sha256')
    .update(readFileSync(join(root, 'package-lock.json')))
    .digest('hex');
  const kept = join(cacheFolder(), 'previous', `${commit}-${libraries.slice(0, 16)}`);
  return makeOnce(join(root, '.cache/previous', commit), async (part) => {
    await makeOnce(kept, (half) => Promise.resolve(build(found, half)));
    cpSync(kept, part, { recursive: true });
  });
}

/** Builds what a revision holds, in this checkout for the sake of its libraries, and puts the result into `target`. */
function build(revision: string, target: string): void {
  const sources = mkdtempSync(join(root, '.cache/sources-'));
  try {
    const archive = execFileSync('git', ['archive', revision], { cwd: root, maxBuffer: 256 * 1024 * 1024 });
    execFileSync('tar', ['-x', '-C', sources], { input: archive });
    for (const args of [
      [join(root, 'node_modules/typescript/bin/tsc'), '-p', 'tsconfig.build.json'],
      ['dist/bundle.js'],
    ])
      execFileSync(process.execPath, args, { cwd: sources, stdio: 'pipe', env: { ...process.env, NODE_OPTIONS: '' } });
    mkdirSync(target);
    for (const name of ['package.json', 'dist']) cpSync(join(sources, name), join(target, name), { recursive: true });
  } finally {
    rmSync(sources, { recursive: true, force: true });
  }
}

function isThere(revision: string): boolean {
  try {
    execFileSync('git', ['cat-file', '-e', `${revision}^{commit}`], { cwd: root, stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
}
