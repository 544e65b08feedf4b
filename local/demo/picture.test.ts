import { PassThrough } from 'node:stream';
import { describe, expect, it } from '@jest/globals';
import { createPicture, type Scene } from './picture.ts';

const scene: Scene = {
  ...{ title: 'podinfo.test', phase: 'Progressing', canaryWeight: 10, failedChecks: 1, threshold: 2 },
  ...{ canaryImage: 'podinfo:3.1.1', primaryImage: 'podinfo:3.1.0', canaryPods: '2/2', primaryPods: '4/4' },
};

function paper(isTTY: boolean) {
  const stream = Object.assign(new PassThrough(), { isTTY });
  let written = '';
  stream.on('data', (chunk: Buffer) => (written += chunk.toString('utf8')));
  return { picture: createPicture(stream), written: () => written };
}

/** What a terminal shows in the end: an escape takes so many lines away. */
function screen(written: string): string[] {
  const shown: string[] = [];
  // oxlint-disable-next-line no-control-regex
  for (const part of written.split(/(?=\x1b\[\d+A)/)) {
    // oxlint-disable-next-line no-control-regex
    const [erase, up] = /^\x1b\[(\d+)A\x1b\[0J/.exec(part) ?? ['', '0'];
    shown.splice(shown.length - Number(up), Number(up));
    shown.push(...part.slice(erase.length).split('\n').slice(0, -1));
  }
  // oxlint-disable-next-line no-control-regex
  return shown.map((line) => line.replaceAll(/\x1b\[\d+m/g, ''));
}

describe('the picture of the demo', () => {
  it('is redrawn in place on a terminal, below the lines, and leaves them alone in the end', () => {
    const { picture, written } = paper(true);
    picture.line('pushing podinfo:3.1.1');
    picture.show(scene);
    picture.line('Advance podinfo.test canary weight 10');
    picture.show({ ...scene, canaryWeight: 50 });
    const [first, second, ...drawn] = screen(written());
    expect(first).toMatch(/^ +\d+\.\ds {2}pushing podinfo:3\.1\.1$/);
    expect(second).toMatch(/Advance podinfo\.test canary weight 10$/);
    expect(drawn).toEqual([
      '',
      '  podinfo.test   Progressing   failed checks 1/2',
      `  primary ${'█'.repeat(20)}${'░'.repeat(20)}  50 %  podinfo:3.1.0  pods 4/4`,
      `  canary  ${'█'.repeat(20)}${'░'.repeat(20)}  50 %  podinfo:3.1.1  pods 2/2`,
    ]);
    const before = written();
    picture.show({ ...scene, canaryWeight: 50 });
    expect(written()).toBe(before);
    picture.end();
    expect(screen(written())).toEqual([first, second]);
  });

  it('is plain lines elsewhere, one for each change of weight or phase', () => {
    const { picture, written } = paper(false);
    picture.line('pushing podinfo:3.1.1');
    picture.show(scene);
    picture.show({ ...scene, failedChecks: 2 });
    picture.show({ ...scene, phase: 'Promoting' });
    picture.end();
    expect(written().replaceAll(/^ +\d+\.\ds {2}/gm, '')).toBe(
      'pushing podinfo:3.1.1\n── Progressing, 10 % of traffic on the canary\n── Promoting, 10 % of traffic on the canary\n',
    );
  });
});
