import { describe, expect, it } from '@jest/globals';
import { chapters, wrongWith } from './chapters.ts';

describe('a release of the demo', () => {
  it.each(chapters.map((chapter) => [chapter.tag, chapter] as const))(
    '%s is right when it is told, traffic is back and the primary runs what it should, and wrong without any of that',
    (tag, chapter) => {
      const seen = chapter.events.flatMap((text) => ['something else', `${text}, and more`]);
      const good = { seen, primaryImage: `127.0.0.1:5000/podinfo:${chapter.primary}`, canaryWeight: 0 };
      expect(wrongWith(chapter, good)).toEqual([]);
      for (const text of chapter.events) {
        const without = seen.filter((message) => !message.startsWith(text));
        expect(wrongWith(chapter, { ...good, seen: without })).toEqual([
          `podinfo:${tag}: no event "${text}" in its place`,
        ]);
      }
      const [first] = chapter.events;
      const late = [...seen.filter((message) => !message.startsWith(first!)), first!];
      expect(wrongWith(chapter, { ...good, seen: late })).toHaveLength(1);
      expect(wrongWith(chapter, { ...good, primaryImage: 'podinfo:3.0.0' })).toEqual([
        `podinfo:${tag}: the primary runs podinfo:3.0.0, expected ${chapter.primary}`,
      ]);
      for (const canaryWeight of [10, undefined])
        expect(wrongWith(chapter, { ...good, canaryWeight })).toEqual([
          `podinfo:${tag}: traffic is left on the canary`,
        ]);
    },
  );
});
