#!/usr/bin/env node
import type { Screen } from './cli/command.ts';
import { run } from './cli/index.ts';

// Whoever reads only the beginning, such as `head`, has seen enough.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code !== 'EPIPE') throw error;
  process.exit(0);
});

const { stdout, stderr } = process;
process.exitCode = await run(process.argv.slice(2), {
  env: process.env,
  out: (line) => void stdout.write(`${line}\n`),
  err: (line) => void stderr.write(`${line}\n`),
  ...(stdout.isTTY ? { screen: screenOf(stdout) } : {}),
});

function screenOf(terminal: NodeJS.WriteStream): Screen {
  let drawn = 0;
  return {
    get columns() {
      return terminal.columns;
    },
    get rows() {
      return terminal.rows;
    },
    draw(lines) {
      // Back to the first line of the picture before, each line cleared to its end, and what is left below it.
      const back = drawn > 0 ? `\x1b[${drawn}A` : '';
      terminal.write(`${back}${lines.map((line) => `${line}\x1b[K\n`).join('')}\x1b[J`);
      drawn = lines.length;
    },
  };
}
