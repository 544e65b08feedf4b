import { describe, expect, it } from '@jest/globals';
import { readFlags } from './flags.ts';

describe('the command line', () => {
  it('has the defaults of Flagger', () => {
    expect(readFlags([], {})).toEqual({
      host: '',
      port: 9090,
      logLevel: 'debug',
      timeoutMs: 3_600_000,
      namespaces: undefined,
      encoding: 'json',
    });
  });

  it.each<{ args: string[]; setting: object }>`
    args                                           | setting
    ${['-port=8080']}                              | ${{ port: 8080 }}
    ${['--port=8080']}                             | ${{ port: 8080 }}
    ${['-port', '8080']}                           | ${{ port: 8080 }}
    ${['--port', '8080', '-port', '8081']}         | ${{ port: 8081 }}
    ${['-timeout=90s']}                            | ${{ timeoutMs: 90_000 }}
    ${['-timeout', '1h30m']}                       | ${{ timeoutMs: 5_400_000 }}
    ${['-timeout', '.5s']}                         | ${{ timeoutMs: 500 }}
    ${['-log-level=info']}                         | ${{ logLevel: 'info' }}
    ${['-log-level=warning']}                      | ${{ logLevel: 'warn' }}
    ${['-log-level=loud']}                         | ${{ logLevel: 'info' }}
    ${['-namespace-regexp=']}                      | ${{ namespaces: undefined }}
    ${['-namespace-regexp=^team-']}                | ${{ namespaces: /^team-/ }}
    ${['-namespace-regexp=(?i)^team=']}            | ${{ namespaces: /^team=/i }}
    ${['-zap-encoding', 'console']}                | ${{ encoding: 'console' }}
    ${['-zap-replace-globals', '-port', '1']}      | ${{ port: 1 }}
    ${['-zap-replace-globals=true', '-port', '1']} | ${{ port: 1 }}
    ${['-host=127.0.0.1']}                         | ${{ host: '127.0.0.1' }}
  `('reads $args', ({ args, setting }) => {
    expect(readFlags(args, {})).toMatchObject(setting);
  });

  it('listens where SERIN_HOST says unless -host says otherwise', () => {
    expect(readFlags([], { SERIN_HOST: '127.0.0.1' }).host).toBe('127.0.0.1');
    expect(readFlags(['-host', '::1'], { SERIN_HOST: '127.0.0.1' }).host).toBe('::1');
  });

  it.each<{ args: string[]; message: string }>`
    args                        | message
    ${['-prot=8080']}           | ${'unknown flag -prot; see -help'}
    ${['8080']}                 | ${'unexpected argument 8080; see -help'}
    ${['-port']}                | ${'flag -port needs a value'}
    ${['-port=http']}           | ${'flag -port takes a number up to 65535, not "http"'}
    ${['-timeout=60']}          | ${'flag -timeout takes a duration above zero such as 90s or 1h30m, not "60"'}
    ${['-timeout=0s']}          | ${'flag -timeout takes a duration above zero such as 90s or 1h30m, not "0s"'}
    ${['-namespace-regexp=(']}  | ${'flag -namespace-regexp takes a regular expression, not "("'}
    ${['-zap-encoding=logfmt']} | ${'flag -zap-encoding takes json or console, not "logfmt"'}
  `('refuses $args and says why', ({ args, message }) => {
    expect(() => readFlags(args, {})).toThrow(message);
  });
});
