import { describe, expect, it } from '@jest/globals';
import { parse } from 'yaml';
import { commands } from '../../src/cli/index.ts';
import { parseScenario, Scenario } from '../../src/cli/scenario.ts';
import { timelineOf } from '../../src/cli/simulate.ts';
import { exitCodes } from '../../src/cli/wait.ts';
import { analysing } from '../corpus/admission.ts';
import { read } from '../support/manifests.ts';

const text = read('docs/command-line.md');

describe('docs/command-line.md', () => {
  it('explains every command, and no other', () => {
    const rows = [...text.matchAll(/^\| (`[a-z-]+`(?:, `[a-z-]+`)*) \| /gm)].map(([, names]) => names!);
    const named = rows.flatMap((names) => [...names.matchAll(/`([a-z-]+)`/g)].map(([, name]) => name!));
    expect(named.sort()).toEqual([...commands.keys()].sort());
  });

  it('explains every exit code of wait', () => {
    const rows = [...text.matchAll(/^\| (\d) \| /gm)].map(([, code]) => Number(code));
    expect(rows).toEqual(Object.values(exitCodes).sort((a, b) => a - b));
  });

  it('has a world that can be read, with every field that there is', () => {
    const world: unknown = parse(/```yaml\n(.*?)```/s.exec(text)![1]!);
    expect(parseScenario(world)).toHaveProperty('scenario');
    expect(Object.keys(world as object).sort()).toEqual(Object.keys(Scenario.shape).sort());
    const metrics = [{ name: 'request-success-rate', thresholdRange: { min: 99 } }];
    const { ended, outcomes } = timelineOf(analysing({ metrics, maxWeight: 40, threshold: 2 }), world);
    expect(ended).toBe(true);
    expect(outcomes.map(({ outcome }) => outcome)).toEqual(['promoted', 'rolled back']);
  });
});
