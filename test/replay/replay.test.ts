import { readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from '@jest/globals';
import { historyFromJSON } from '@temporalio/common/lib/proto-utils.js';
import { DefaultLogger, Runtime, Worker } from '@temporalio/worker';
import { silentSinks } from '../support/temporal.ts';
import { imageScenarios } from './image-scenarios.ts';
import { scenarios } from './scenarios.ts';

Runtime.install({ logger: new DefaultLogger('ERROR') });

describe.each([
  { kind: 'releases', folder: 'recorded', named: scenarios },
  { kind: 'runs about images', folder: 'recorded-images', named: imageScenarios },
])('$kind in flight survive an upgrade', ({ folder: name, named }) => {
  const folder = fileURLToPath(new URL(`./${name}/`, import.meta.url));
  const versions = readdirSync(folder);
  const files = versions.flatMap((version) => readdirSync(`${folder}${version}`).map((file) => `${version}/${file}`));

  it('the latest version has a history of every scenario', () => {
    const latest = versions.sort().at(-1);
    const recorded = files.filter((file) => file.startsWith(`${latest}/`));
    for (const { name } of named) expect(recorded).toContain(`${latest}/${name}.json`);
  });

  it.each(files.map((file) => ({ file })))('$file still replays', async ({ file }) => {
    const history = historyFromJSON(JSON.parse(readFileSync(folder + file, 'utf8')));
    const workflowBundle = { codePath: process.env.SERIN_TEST_BUNDLE ?? '' };
    await Worker.runReplayHistory({ workflowBundle, replayName: file, sinks: silentSinks }, history);
    expect(history.events?.length).toBeGreaterThan(5);
  });
});
