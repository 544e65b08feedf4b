import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { read } from '../support/manifests.ts';
import { pages, proseIn } from '../support/markdown.ts';

const top = new URL('../..', import.meta.url).pathname;

/** As pages of Markdown make them of headings: those that are the same are numbered. */
function anchorsIn(text: string): ReadonlySet<string> {
  const anchors = new Set<string>();
  for (const [, heading] of proseIn(text).matchAll(/^#+ (.*)$/gm)) {
    const plain = heading!.replaceAll(/\[([^\]]*)\]\([^)]*\)/g, '$1').toLowerCase();
    const anchor = plain.replaceAll(/[^\p{L}\p{N} _-]/gu, '').replaceAll(' ', '-');
    const others = [...anchors].filter((one) => one === anchor || one.replace(/-\d+$/, '') === anchor).length;
    anchors.add(others === 0 ? anchor : `${anchor}-${others}`);
  }
  return anchors;
}

/** Links and pictures of a page that lead nowhere. */
function lostIn(page: string, text = read(page)): string[] {
  const links = [...proseIn(text).matchAll(/\]\(([^)\s]+)\)/g)].map(([, link]) => link!);
  return links.filter((link) => {
    if (/^[a-z]+:/.test(link)) return false;
    const [path = '', anchor] = link.split('#');
    const target = path === '' ? page : join(dirname(page), path);
    if (!existsSync(join(top, target))) return true;
    if (anchor === undefined) return false;
    return !target.endsWith('.md') || !anchorsIn(target === page ? text : read(target)).has(anchor);
  });
}

/** Paths in running text that begin with a folder of the checkout, and are not in it. */
function missingIn(text: string): string[] {
  const spans = [...proseIn(text).matchAll(/`((?:bench|deploy|docs|local|src|test)\/[\w./-]*)`/g)];
  return spans.map(([, path]) => path!).filter((path) => !existsSync(join(top, path)));
}

describe.each([...pages, 'CHANGELOG.md', 'bench/README.md'])('%s', (page) => {
  it('has links that lead somewhere', () => {
    expect(lostIn(page)).toEqual([]);
  });

  it('names files that are there', () => {
    expect(missingIn(read(page))).toEqual([]);
  });
});

describe('a link is found to lead nowhere', () => {
  it.each([
    ['to a page', '[a](nothing.md)'],
    ['to a picture', '![a](pictures/nothing.png)'],
    ['to a heading of another page', '[a](runbook.md#nothing)'],
    ['to a heading of the same page', '# A b\n[a](#a-c)'],
    ['to a comment in a block', '```sh\n# Not a heading\n```\n[a](#not-a-heading)'],
    ['to a line of a program', '[a](../src/cli.ts#L3)'],
  ])('%s', (_, text) => {
    expect(lostIn('docs/operations.md', text)).toHaveLength(1);
  });

  it('and one that leads somewhere is not', () => {
    const text = '# A `b`: c\n## D\n## D\n[a](#a-b-c) [d](#d-1) [e](runbook.md#orders) [f](https://example.com/#x)';
    expect(lostIn('docs/operations.md', text)).toEqual([]);
  });

  it('and neither is what stands in a block', () => {
    expect(lostIn('docs/operations.md', '```\n[a](nothing.md)\n```')).toEqual([]);
  });

  it('and a file that is not there is named', () => {
    expect(missingIn('`src/nothing.ts`, `src/cli.ts`, `deploy/crds`')).toEqual(['src/nothing.ts']);
  });
});
