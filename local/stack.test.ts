import { describe, expect, it } from '@jest/globals';
import { chooseParts, type Part } from './stack.ts';

describe('the local stack starts', () => {
  it.each<[string, Part[] | undefined, NodeJS.ProcessEnv, Part[]]>([
    ['everything, when nothing is named', undefined, {}, ['cluster', 'workloads', 'metrics', 'registry', 'temporal']],
    ['what is asked for', ['registry'], {}, ['registry']],
    ['a cluster below the workloads', ['workloads'], {}, ['workloads', 'cluster']],
    ['no cluster beside an existing one', undefined, { SERIN_KUBECONFIG: '/k' }, ['metrics', 'registry', 'temporal']],
    ['no Temporal beside an existing one', ['temporal', 'registry'], { TEMPORAL_ADDRESS: 'host:7233' }, ['registry']],
    ['no Prometheus beside an existing one', ['metrics'], { SERIN_METRICS_SERVER: 'http://p:9090' }, ['cluster']],
    ['what an empty variable does not replace', ['temporal'], { TEMPORAL_ADDRESS: '' }, ['temporal']],
  ])('%s', (_name, asked, env, started) => {
    expect([...chooseParts(asked, env).local]).toEqual(started);
  });
});
