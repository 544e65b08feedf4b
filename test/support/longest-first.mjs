import Sequencer from '@jest/test-sequencer';

/** The files that take longest, by their time alone: begun last, one of them would keep the level waiting. */
const long = ['kills', 'moving', 'bad-input', 'drift', 'availability', 'cli', 'release', 'steering'];

/** Jest's own order, except that what takes longest comes first. */
export default class LongestFirst extends (Sequencer.default ?? Sequencer) {
  async sort(tests) {
    const rank = ({ path }) => {
      const found = long.findIndex((name) => path.endsWith(`/${name}.test.ts`));
      return found < 0 ? long.length : found;
    };
    return [...(await super.sort(tests))].sort((a, b) => rank(a) - rank(b));
  }
}
