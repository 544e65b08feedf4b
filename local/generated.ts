import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';

/** Texts of generated files, by their paths. */
export type Files = ReadonlyMap<string, string>;

/** Those that are missing, or are not what they should be. */
export async function stale(files: Files): Promise<Files> {
  const found = new Map<string, string>();
  for (const [path, text] of files) {
    const present = await readFile(path, 'utf8').catch(() => undefined);
    if (present !== text) found.set(path, text);
  }
  return found;
}

/**
 * What a generator does when it is run: writes what is stale, or, with `--check`, writes nothing and exits with 1 when
 * something is.
 *
 * @param command how people run it
 */
export async function writeOrCheck(files: Files, command: string, args: readonly string[]): Promise<void> {
  const wanted = await stale(files);
  const names = [...wanted.keys()].join(', ');
  if (!args.includes('--check')) {
    for (const [path, text] of wanted) {
      await mkdir(dirname(path), { recursive: true });
      await writeFile(path, text);
    }
    console.log(wanted.size === 0 ? 'nothing to do' : `wrote ${names}`);
    return;
  }
  if (wanted.size === 0) return;
  console.error(`out of date: ${names}; run \`${command}\` and commit the result`);
  process.exitCode = 1;
}
