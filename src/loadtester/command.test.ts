import { readFile } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, it } from '@jest/globals';
import { createCommands } from './command.ts';

const bash = (text: string) => ({ program: 'bash', args: ['-c', text] });

/** Whether the process runs: a killed one may stay a zombie until its new parent collects it. */
async function isAlive(pid: number): Promise<boolean> {
  try {
    const stat = await readFile(`/proc/${pid}/stat`, 'utf8');
    return stat.slice(stat.lastIndexOf(')') + 2)[0] !== 'Z';
  } catch {
    return false;
  }
}

async function diesWithin(pid: number, ms: number): Promise<boolean> {
  for (const end = performance.now() + ms; performance.now() < end; await sleep(20))
    if (!(await isAlive(pid))) return true;
  return false;
}

describe('a command', () => {
  it('gives both streams in the order they were written', async () => {
    const lines = [1, 2, 3, 4, 5, 6, 7, 8].flatMap((n) => [`out ${n}`, `err ${n}`]);
    const { output, error } = await createCommands().run(
      bash('for n in 1 2 3 4 5 6 7 8; do echo out $n; echo err $n >&2; done'),
      5_000,
    );
    expect({ output, error }).toEqual({ output: `${lines.join('\n')}\n`, error: undefined });
  });

  it.each<{ text: string; error: string | undefined }>`
    text               | error
    ${'exit 0'}        | ${undefined}
    ${''}              | ${undefined}
    ${'exit 3'}        | ${'exit status 3'}
    ${'kill -TERM $$'} | ${'signal: terminated'}
    ${'kill -KILL $$'} | ${'signal: killed'}
    ${'kill -SEGV $$'} | ${'signal: segmentation fault'}
  `('that does `$text` ends with $error', async ({ text, error }) => {
    expect((await createCommands().run(bash(text), 5_000)).error).toBe(error);
  });

  it('whose program is not there says so as Go does', async () => {
    expect(await createCommands().run({ program: 'no-such-program', args: [] }, 5_000)).toEqual({
      output: '',
      error: 'exec: "no-such-program": executable file not found in $PATH',
    });
  });

  it('gets its arguments untouched by a shell', async () => {
    const { output } = await createCommands().run({ program: 'printf', args: ['%s|', '$HOME', 'a b', "'"] }, 5_000);
    expect(output).toBe("$HOME|a b|'|");
  });

  it('is killed at its time-out with everything it started, and what it wrote is kept', async () => {
    const startedAt = performance.now();
    const { output, error } = await createCommands().run(bash('sleep 60 & echo $!; (sleep 61; true); echo never'), 300);
    expect(error).toBe('signal: killed');
    expect(output).toMatch(/^\d+\n$/);
    expect(performance.now() - startedAt).toBeLessThan(2_000);
    expect(await diesWithin(Number(output), 1_000)).toBe(true);
  });

  it('that leaves something running in the background ends, and what it left is killed at the time-out', async () => {
    const startedAt = performance.now();
    const { output, error } = await createCommands().run(bash('sleep 60 >/dev/null 2>&1 & echo $!'), 700);
    expect(error).toBeUndefined();
    expect(performance.now() - startedAt).toBeLessThan(600);
    expect(await isAlive(Number(output))).toBe(true);
    expect(await diesWithin(Number(output), 2_000)).toBe(true);
  });

  it('does not hold up its answer when a process that left its group keeps the output open', async () => {
    const startedAt = performance.now();
    const { output, error } = await createCommands().run(bash('setsid sleep 3 & sleep 60'), 300);
    expect({ output, error }).toEqual({ output: '', error: 'signal: killed' });
    expect(performance.now() - startedAt).toBeLessThan(2_000);
  });

  it('that writes without end keeps the end of its output', async () => {
    const { output } = await createCommands({ maxOutputBytes: 100 }).run(bash('seq 1 20000'), 5_000);
    expect(output).toMatch(/^\[the first \d+ bytes of the output were left out\]\n/);
    expect(output.endsWith('19999\n20000\n')).toBe(true);
    expect(output.split('\n').slice(1).join('\n')).toHaveLength(100);
  });

  it('is counted while it runs, and killAll ends it', async () => {
    const commands = createCommands();
    const ended = commands.run(bash('echo $$; sleep 60'), 60_000);
    await sleep(300);
    expect(commands.running).toBe(1);
    commands.killAll();
    await commands.idle();
    const { output, error } = await ended;
    expect(error).toBe('signal: killed');
    expect(await diesWithin(Number(output), 1_000)).toBe(true);
    expect(commands.running).toBe(0);
  });
});
