#!/usr/bin/env node
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { messageOf } from '../src/errors.ts';
import { serveControl } from './control.ts';
import { parts, startStack, type Part } from './stack.ts';

/** Starts the local stack, or some parts of it by name, says where everything is, and ends it on Ctrl-C: `node local/up.ts [part…]`. */
const chosen = process.argv.slice(2);
const unknown = chosen.filter((name) => !(name in parts));
if (unknown.length > 0) {
  console.error(`unknown: ${unknown.join(', ')}. There are: ${Object.keys(parts).join(', ')}`);
  process.exit(2);
}
const since = Date.now();
try {
  const stack = await startStack({
    parts: chosen.length > 0 ? (chosen as Part[]) : undefined,
    progress: (line) => console.error(line),
  });
  const control = await serveControl(stack);
  const { description } = control;
  const file = join(stack.directory, 'stack.json');
  writeFileSync(file, JSON.stringify(description, null, 2));
  console.log(`
ready after ${((Date.now() - since) / 1000).toFixed(1)} s; Ctrl-C ends it

  export KUBECONFIG=${stack.kubeconfig || '(none)'} TEMPORAL_ADDRESS=${stack.temporal || '(none)'} SERIN_METRICS_SERVER=${stack.prometheus || '(none)'}

  Temporal     ${stack.temporal || '(none)'}   ${stack.temporalUi}
  Prometheus   ${stack.prometheus || '(none)'}
  registry     ${stack.registry || '(none)'}
  logs         ${stack.directory}
  control      curl -X POST ${description.control}/servers/kube-apiserver/kill   (then …/restart)

Tests use it instead of their own with npm run test:e2e -- --maxWorkers 1, after: export SERIN_TEST_STACK="$(cat ${file})"`);
  await Promise.race([once(process, 'SIGINT'), once(process, 'SIGTERM')]);
  console.error('\nending');
  await control.close();
  await stack.stop();
} catch (error) {
  console.error(messageOf(error));
  process.exitCode = 1;
}
