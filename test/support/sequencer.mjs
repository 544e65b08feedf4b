import Sequencer from '@jest/test-sequencer';

/**
 * What comes first, in this order: what takes longest by its time alone, since begun last it would keep the level
 * waiting; and beside it what mostly waits, so that the processors are neither fought for at first nor idle at last.
 */
const first = [
  ...['kills', 'moving', 'stack', 'two-clusters', 'tutorial', 'observability', 'signatures', 'deletion'],
  ...['bad-input', 'drift', 'strategies', 'targets'],
  ...['install', 'upgrade', 'availability'],
  ...['cli', 'release', 'steering'],
  ...['answers'],
];

/** Jest's own order for the others. */
export default class Ordered extends (Sequencer.default ?? Sequencer) {
  async sort(tests) {
    const rank = ({ path }) => {
      const found = first.findIndex((name) => path.endsWith(`/${name}.test.ts`));
      return found < 0 ? first.length : found;
    };
    return [...(await super.sort(tests))].sort((a, b) => rank(a) - rank(b));
  }
}
