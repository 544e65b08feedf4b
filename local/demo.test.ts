import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { expect, it } from '@jest/globals';

it('the demo ends with 1 and says why when it cannot be played', async () => {
  const demo = new URL('./demo.ts', import.meta.url).pathname;
  const env = { ...process.env, NODE_OPTIONS: '', SERIN_ETCD: '/nowhere/etcd' };
  const failed = promisify(execFile)(process.execPath, [demo], { env });
  await expect(failed).rejects.toMatchObject({ code: 1, stderr: expect.stringContaining('/nowhere/etcd') });
});
