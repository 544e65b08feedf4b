import { describe, expect, it } from '@jest/globals';
import { parsePayload } from './payload.ts';
import { taskOf } from './tasks.ts';

const ask = (metadata: Record<string, string>) =>
  taskOf({ name: 'shop', namespace: 'prod', phase: 'Progressing', checksum: '', metadata });

describe('what a webhook asks for', () => {
  it.each<{ metadata: Record<string, string>; command: object; mode: string }>`
    metadata                                              | command                                                           | mode
    ${{ cmd: 'hey -z 1m http://shop/' }}                  | ${{ program: 'sh', args: ['-c', 'hey -z 1m http://shop/'] }}      | ${'queued'}
    ${{ type: 'cmd', cmd: 'true' }}                       | ${{ program: 'sh', args: ['-c', 'true'] }}                        | ${'queued'}
    ${{ type: 'bash', cmd: 'curl -s shop | grep ok' }}    | ${{ program: 'bash', args: ['-c', 'curl -s shop | grep ok'] }}    | ${'blocking'}
    ${{ type: 'bash' }}                                   | ${{ program: 'bash', args: ['-c', ''] }}                          | ${'blocking'}
    ${{ type: 'helm', cmd: 'test  shop\t--logs\n' }}      | ${{ program: 'helm', args: ['test', 'shop', '--logs'] }}          | ${'blocking'}
    ${{ type: 'helmv3', cmd: 'test shop' }}               | ${{ program: 'helm', args: ['test', 'shop'] }}                    | ${'blocking'}
    ${{ type: 'kubectl', cmd: `get -o 'jsonpath={.a}'` }} | ${{ program: 'kubectl', args: ['get', '-o', `'jsonpath={.a}'`] }} | ${'blocking'}
    ${{ type: 'kubectl' }}                                | ${{ program: 'kubectl', args: [] }}                               | ${'blocking'}
  `('$metadata runs $command, $mode', ({ metadata, command, mode }) => {
    expect(ask(metadata)).toMatchObject({ canary: 'shop.prod', command, mode });
  });

  it.each(['1', 't', 'T', 'TRUE', 'true', 'True'])('takes %s for true, as Go does', (word) => {
    expect(ask({ cmd: 'x', logCmdOutput: word })).toMatchObject({ showOutput: true });
    expect(ask({ type: 'bash', cmd: 'x', returnCmdOutput: word })).toMatchObject({ showOutput: true });
  });

  it.each(['', '0', 'yes', 'tRUE', 'on'])('does not take %p for true', (word) => {
    expect(ask({ cmd: 'x', logCmdOutput: word })).toMatchObject({ showOutput: false });
  });

  it.each<{ metadata: Record<string, string>; refusal: string }>`
    metadata                            | refusal
    ${{}}                               | ${'metadata not found in payload'}
    ${{ type: 'cmd' }}                  | ${'cmd not found in metadata'}
    ${{ logCmdOutput: 'true' }}         | ${'cmd not found in metadata'}
    ${{ type: 'locust', cmd: 'x' }}     | ${'unknown task type locust'}
    ${{ type: '', cmd: 'x' }}           | ${'unknown task type '}
    ${{ type: 'ngrinder', clone: '1' }} | ${'task type ngrinder is not supported by this version of the load tester, which supports cmd, bash, helm, helmv3, kubectl'}
    ${{ type: 'concord' }}              | ${'task type concord is not supported by this version of the load tester, which supports cmd, bash, helm, helmv3, kubectl'}
  `('$metadata is refused: $refusal', ({ metadata, refusal }) => {
    expect(ask(metadata)).toEqual({ refusal });
  });
});

describe('the body of a webhook', () => {
  it.each<{ body: string; payload: object }>`
    body                                    | payload
    ${'{}'}                                 | ${{ name: '', namespace: '', metadata: {} }}
    ${'{"name":"shop","extra":[1]}'}        | ${{ name: 'shop' }}
    ${'{"Name":"shop","NAMESPACE":"prod"}'} | ${{ name: 'shop', namespace: 'prod' }}
    ${'{"name":null,"metadata":null}'}      | ${{ name: '', metadata: {} }}
    ${'{"metadata":{"cmd":null}}'}          | ${{ metadata: { cmd: '' } }}
  `('$body is read', ({ body, payload }) => {
    expect(parsePayload(body)).toMatchObject(payload);
  });

  it.each(['', '[]', '"x"', '{"name":3}', '{"metadata":{"cmd":1}}', '{"checksum":1}', '{} {}'])(
    '%p is not one',
    (body) => {
      expect(parsePayload(body)).toBeUndefined();
    },
  );
});
