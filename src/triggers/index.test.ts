import { readFileSync } from 'node:fs';
import { expect, it } from '@jest/globals';
import { triggers } from './index.ts';

it('docs/providers/triggers.md has a section for every trigger, and for no other', () => {
  const page = readFileSync(new URL('../../docs/providers/triggers.md', import.meta.url), 'utf8');
  const general = ['Receivers', 'Which images follow which tags', 'Adding one'];
  const sections = [...page.matchAll(/^## (.+)$/gm)].map(([, title]) => title!);
  expect(sections.filter((title) => !general.includes(title)).sort()).toEqual([...triggers.keys()].sort());
});
