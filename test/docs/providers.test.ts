import { readFileSync } from 'node:fs';
import { describe, expect, it } from '@jest/globals';
import { metricsProviders } from '../../src/activities/metrics/index.ts';
import { notifiers } from '../../src/activities/notifiers/index.ts';
import { routers } from '../../src/activities/routers/index.ts';
import { failures } from '../../src/errors.ts';
import { triggers } from '../../src/triggers/index.ts';

const sections = (path: string) =>
  [...readFileSync(new URL(`../../docs/${path}`, import.meta.url), 'utf8').matchAll(/^## (.+)$/gm)].map(
    ([, title]) => title!,
  );

/** A page lists what the code has, no more and no less; its other sections are named here. */
const pages = [
  { page: 'providers/routers.md', known: [...routers.keys()], also: ['Adding one'] },
  { page: 'providers/metrics.md', known: [...metricsProviders.keys()], also: ['Adding one'] },
  { page: 'providers/notifiers.md', known: [...notifiers.keys()], also: ['Adding one'] },
  { page: 'errors.md', known: Object.keys(failures), also: [] },
];

describe('the docs and the code name the same things', () => {
  it.each(pages)('$page', ({ page, known, also }) => {
    expect(sections(page).sort()).toEqual([...known, ...also].sort());
  });

  it('providers/triggers.md has a section for every trigger', () => {
    const titles = sections('providers/triggers.md');
    for (const name of triggers.keys()) expect(titles.some((title) => title.toLowerCase().includes(name))).toBe(true);
    expect(titles).toContain('Adding one');
  });
});
