import { readFileSync } from 'node:fs';
import { describe, expect, it } from '@jest/globals';
import { differences, promotedWithTheCopy } from '../parity/differences.ts';

const page = readFileSync(`${import.meta.dirname}/../../docs/differences-from-flagger.md`, 'utf8');
const lines = page.split('\n').flatMap((line) => /^- (Q\d+): \S/.exec(line)?.[1] ?? []);
const listed = Object.values(differences).flatMap((entries) => entries.map(({ why }) => why));
const quirks = [...new Set([promotedWithTheCopy.why, ...listed])];

describe('docs/differences-from-flagger.md', () => {
  it.each(quirks.map((quirk) => ({ quirk })))('has a line for $quirk, by which recorded runs differ', ({ quirk }) => {
    expect(lines).toContain(quirk);
  });

  it('tells each quirk once', () => {
    expect(lines).toEqual([...new Set(lines)]);
  });

  it('has something to tell', () => {
    expect(quirks.length).toBeGreaterThan(5);
  });
});
