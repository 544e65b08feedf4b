import type { Line } from '../../src/simulation/world.ts';
import { isReadiness, type Fact, type RecordedStatus } from './recording.ts';

/** What a play told and did, a list for each thing that was decided. */
export function storyOf(lines: readonly Line[]): Fact[][] {
  const parts: Fact[][] = [[]];
  for (const line of lines) {
    if (line.kind === 'action') parts.push([]);
    else parts.at(-1)!.push(...factOf(line));
  }
  return parts;
}

function factOf(line: Line): Fact[] {
  switch (line.kind) {
    case 'event':
      return [{ kind: 'event', text: `${line.type === 'Warning' ? 'W ' : ''}${line.message}` }];
    case 'weights':
      return [{ kind: 'weight', canary: line.canary, mirrored: line.mirrored ?? false }];
    case 'phase': {
      const { phase, canaryWeight, failedChecks, iterations, lastAppliedSpec, lastPromotedSpec } = line.status;
      const counts = { weight: canaryWeight, failed: failedChecks, iterations };
      const hashes = { applied: lastAppliedSpec, promoted: lastPromotedSpec };
      return [{ kind: 'status', status: { phase, ...counts, ...hashes, condition: line.condition } }];
    }
    case 'action':
    case 'alert':
    case 'reverted':
      return [];
  }
}

/**
 * One list of everything, a line a fact: events, weights and statuses between each other. Within a part what was told
 * comes first, then the weights, then the statuses, because the recordings do not know their order there. What says the
 * same as before is left out, and warnings of pods that are not ready are one however often they were told.
 */
export function tell(story: readonly (readonly Fact[])[], revise = (status: RecordedStatus) => status): string[] {
  const letters = revisions();
  const last = new Map<Fact['kind'], string>();
  const told: string[] = [];
  for (const part of initializedAtOnce(story)) {
    for (const kind of ['event', 'weight', 'status'] as const) {
      for (const fact of part) {
        if (fact.kind !== kind) continue;
        const line = lineOf(fact, letters, revise);
        if (line === undefined) continue;
        const isRepeated = last.get(kind) === line && (kind !== 'event' || line.endsWith(' not ready'));
        last.set(kind, line);
        if (!isRepeated) told.push(`${kind}: ${line}`);
      }
    }
  }
  return told;
}

/** Flagger initializes in other pieces than Serin does: up to its end, an initialization is one part. */
function initializedAtOnce(story: readonly (readonly Fact[])[]): readonly (readonly Fact[])[] {
  const isDone = (fact: Fact) => fact.kind === 'status' && fact.status.phase === 'Initialized';
  const end = story.findIndex((part) => part.some(isDone)) + 1;
  return [story.slice(0, end).flat(), ...story.slice(end)];
}

function lineOf(fact: Fact, letters: (hash: string) => string, revise: (status: RecordedStatus) => RecordedStatus) {
  switch (fact.kind) {
    case 'event': {
      // How many pods are missing, and since which generation, depends on when somebody looks.
      const [unready] = /^W (canary deployment )?\S+ not ready/.exec(fact.text) ?? [];
      return unready && isReadiness(fact.text) ? unready : fact.text;
    }
    case 'weight':
      return `${fact.canary}${fact.mirrored ? ' mirrored' : ''}`;
    case 'status':
      // Nothing has been written yet.
      return fact.status.phase === '' ? undefined : statusLine(revise(fact.status), letters);
  }
}

/** `<phase> <weight> <failed checks> [iteration <n>] <applied>/<promoted> <condition>`. */
function statusLine(status: RecordedStatus, letters: (hash: string) => string): string {
  const { phase, weight, failed, iterations, applied, promoted, condition } = status;
  const counted = iterations > 0 ? ` iteration ${iterations}` : '';
  const [state, reason] = condition.split('/');
  const is = reason === phase ? state : condition;
  return `${phase} ${weight} ${failed}${counted} ${letters(applied)}/${letters(promoted)} ${is}`;
}

/** Names revisions in the order in which they come: hashes are of everybody's own making. */
function revisions(): (hash: string) => string {
  const names = new Map([['', '-']]);
  return (hash) => {
    const name = names.get(hash) ?? String.fromCharCode('A'.charCodeAt(0) + names.size - 1);
    names.set(hash, name);
    return name;
  };
}
