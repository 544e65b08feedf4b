import { globSync } from 'node:fs';
import { read } from './manifests.ts';

/** A fenced block of a page. */
export interface Block {
  readonly page: string;
  /** Of its first line, from 1. */
  readonly line: number;
  readonly language: string;
  /** Without the indentation of the list that it stands in. */
  readonly text: string;
}

/** What people read: all pages but the changelog. */
export const pages: readonly string[] = [
  'README.md',
  'CONTRIBUTING.md',
  ...globSync(['docs/**/*.md', 'deploy/**/README.md'], { cwd: new URL('../..', import.meta.url).pathname }).sort(),
];

const fenced = /^( *)```(\w*)\n(.*?)^\1```$/gms;

/** The fenced blocks of a page in one language, in their order. */
export function blocksOf(page: string, language: string): Block[] {
  const whole = read(page);
  return [...whole.matchAll(fenced)].flatMap(({ index, 1: indent = '', 2: found = '', 3: text = '' }) =>
    found === language
      ? [
          {
            ...{ page, language },
            line: whole.slice(0, index).split('\n').length + 1,
            text: text.replaceAll(new RegExp(`^${indent}`, 'gm'), ''),
          },
        ]
      : [],
  );
}

/** A text without its fenced blocks. Lines keep their numbers. */
export function proseIn(text: string): string {
  return text.replaceAll(fenced, (block) => block.replaceAll(/[^\n]/g, ''));
}
