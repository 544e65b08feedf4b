import { spawnSync } from 'node:child_process';
import { cpSync, mkdtempSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

let built: string | undefined;

/**
 * Builds what a container runs, once, in a folder of its own: nobody who builds meanwhile changes what is measured. The
 * folder is laid out as in the image and lasts as long as this process.
 *
 * @throws Error with what the compiler says
 */
export function buildApp(): string {
  if (built !== undefined) return built;
  const root = fileURLToPath(new URL('..', import.meta.url));
  const app = mkdtempSync(join(tmpdir(), 'serin-bench-app-'));
  process.once('exit', () => rmSync(app, { recursive: true, force: true }));
  symlinkSync(join(root, 'node_modules'), join(app, 'node_modules'));
  cpSync(join(root, 'package.json'), join(app, 'package.json'));
  const dist = join(app, 'dist');
  run(root, join(root, 'node_modules/typescript/bin/tsc'), '-p', 'tsconfig.build.json', '--outDir', dist);
  run(app, join(dist, 'bundle.js'));
  built = app;
  return app;
}

function run(cwd: string, ...args: readonly string[]): void {
  const { status, stdout, stderr } = spawnSync(process.execPath, args, { cwd, encoding: 'utf8' });
  if (status !== 0) throw new Error(`building failed: ${args.join(' ')}\n${stdout}${stderr}`);
}
