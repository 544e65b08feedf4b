import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { cacheFolder, makeOnce } from './cache.ts';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'serin-cache-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

describe('the cache', () => {
  it.each([
    [{ SERIN_CACHE: '/a', XDG_CACHE_HOME: '/b' }, '/a'],
    [{ XDG_CACHE_HOME: '/b' }, '/b/serin'],
  ])('for %j is %s', (env, expected) => {
    expect(cacheFolder(env)).toBe(expected);
  });

  it('makes a thing once, however many ask for it at the same time', async () => {
    const path = join(folder, 'deep', 'thing');
    let made = 0;
    const waited: string[] = [];
    const ask = (who: string) =>
      makeOnce(
        path,
        async (part) => {
          made += 1;
          writeFileSync(part, who);
          await sleep(50);
          expect(existsSync(path)).toBe(false);
        },
        () => waited.push(who),
      );
    await Promise.all([ask('first'), ask('second'), ask('third')]);
    expect([made, readFileSync(path, 'utf8'), waited]).toEqual([1, 'first', ['second', 'third']]);
  });

  it('has nothing after a failed attempt, and the next one succeeds', async () => {
    const path = join(folder, 'thing');
    const broken = async (part: string) => {
      writeFileSync(part, 'half');
      throw new Error('out of disk');
    };
    await expect(makeOnce(path, broken)).rejects.toThrow('out of disk');
    expect(existsSync(path)).toBe(false);
    await makeOnce(path, async (part) => writeFileSync(part, 'whole'));
    expect(readFileSync(path, 'utf8')).toBe('whole');
  });

  it('does not wait for one that was killed while it made the thing', async () => {
    const path = join(folder, 'thing');
    mkdirSync(folder, { recursive: true });
    writeFileSync(`${path}.lock`, '');
    const aMinuteAgo = new Date(Date.now() - 60_000);
    utimesSync(`${path}.lock`, aMinuteAgo, aMinuteAgo);
    await makeOnce(path, async (part) => writeFileSync(part, 'whole'));
    expect(readFileSync(path, 'utf8')).toBe('whole');
  });
});
