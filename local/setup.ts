#!/usr/bin/env node
import { provideTools, tools, type ToolName } from './tools.ts';

/** Provides every tool of the local stack ahead of time: `node local/setup.ts`, or some by name: `… etcd temporal`. */
const names = process.argv.slice(2);
const unknown = names.filter((name) => !(name in tools));
if (unknown.length > 0) {
  console.error(`unknown: ${unknown.join(', ')}. There are: ${Object.keys(tools).join(', ')}`);
  process.exit(2);
}
const wanted = (names.length > 0 ? names : Object.keys(tools)) as ToolName[];
try {
  const paths = await provideTools(wanted, (line) => console.error(line));
  for (const name of wanted) console.log(`${name.padEnd(24)} ${paths[name]}`);
} catch (error) {
  console.error(error instanceof Error ? error.message : error);
  process.exit(1);
}
