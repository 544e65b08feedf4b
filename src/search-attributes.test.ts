import { describe, expect, it } from '@jest/globals';
import { ensureSearchAttributes } from './search-attributes.ts';

/** A namespace that knows these; `add` may refuse, or only pretend. */
function place(known: string[], add: (wanted: string[]) => void = (wanted) => void known.push(...wanted)) {
  const asked: object[] = [];
  const operatorService = {
    listSearchAttributes: () =>
      Promise.resolve({ customAttributes: Object.fromEntries(known.map((name) => [name, 2])) }),
    addSearchAttributes: async (request: { searchAttributes: Record<string, number> }) => {
      asked.push(request);
      add(Object.keys(request.searchAttributes));
    },
  };
  return { asked, place: { operatorService } as unknown as Parameters<typeof ensureSearchAttributes>[0] };
}

const all = ['Phase', 'Weight', 'Target', 'Revision', 'Namespace', 'Cluster', 'Image', 'Outcome'];

describe('search attributes', () => {
  it('that are missing are registered, with their types, and nothing else is touched', async () => {
    const { asked, place: server } = place(['CanaryPhase', 'CanaryWeight', 'CanaryTarget', 'CanaryRevision']);
    expect(await ensureSearchAttributes(server, 'releases')).toEqual([]);
    const searchAttributes = { CanaryNamespace: 2, CanaryCluster: 2, CanaryImage: 2, CanaryOutcome: 2 };
    expect(asked).toEqual([{ namespace: 'releases', searchAttributes }]);
    expect(await ensureSearchAttributes(server, 'releases')).toEqual([]);
    expect(asked).toHaveLength(1);
  });

  it('that another worker has registered meanwhile are there', async () => {
    const known: string[] = [];
    const { place: server } = place(known, (wanted) => {
      known.push(...wanted);
      throw new Error('already exists');
    });
    expect(await ensureSearchAttributes(server, 'default')).toEqual([]);
  });

  it('that may not be registered are named, with why, and the command that does', async () => {
    const known = all.filter((name) => name !== 'Weight').map((name) => `Canary${name}`);
    const { place: server } = place(known, () => {
      throw new Error('permission denied');
    });
    expect(await ensureSearchAttributes(server, 'prod')).toEqual([
      'search attribute CanaryWeight is missing and could not be registered (permission denied); ' +
        'run: temporal operator search-attribute create --namespace prod --name CanaryWeight --type Int',
    ]);
  });
});
