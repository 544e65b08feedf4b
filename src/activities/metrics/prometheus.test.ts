import { afterEach, describe, expect, it } from '@jest/globals';
import { closeServers, deadUrl, startServer, type Reply } from '../../../test/support/fake-server.ts';
import { createHttp, type HttpRequest } from '../../clients/http.ts';
import { failureType } from '../../errors.ts';
import { prometheus } from './prometheus.ts';
import type { ProviderSettings } from './provider.ts';

afterEach(closeServers);

const http = createHttp({});

function provider(settings: Partial<ProviderSettings>) {
  return prometheus({ type: 'prometheus', interval: '1m', timeoutMs: 2000, ...settings }, http);
}

/** A vector as Prometheus answers it. */
function vector(...values: unknown[]): Reply {
  const result = values.map((value, index) => ({ metric: { pod: `p${index}` }, value: [1545905245.458, value] }));
  return { body: JSON.stringify({ status: 'success', data: { resultType: 'vector', result } }) };
}

async function answerTo(reply: Reply, settings: Partial<ProviderSettings> = {}) {
  const server = await startServer(() => reply);
  const answer = await provider({ address: server.url, ...settings }).read('sum(x)');
  return { answer, request: server.requests[0]! };
}

describe('the query', () => {
  it.each(['', '/', '/prometheus', '/prometheus/'])(
    'goes to the query API below an address with path "%s"',
    async (path) => {
      const server = await startServer(() => vector('100'));
      await provider({ address: server.url + path }).read(' sum(\n   rate(x{a=~"b+&é"}[1m])\n) ');
      const { method, url } = server.requests[0]!;
      const [where, query] = url.split('?');
      expect([method, where]).toEqual(['GET', `${path.replace(/\/$/, '')}/api/v1/query`]);
      expect(new URLSearchParams(query).get('query')).toBe(' sum( rate(x{a=~"b+&é"}[1m]) ) ');
      expect(query).toMatch(/^query=\+sum%28/);
    },
  );

  it.each([undefined, '', ':::', 'prometheus:9090', '/relative', 'ftp://host'])(
    'cannot be sent to the address %s',
    (address) => {
      expect(() => provider({ address })).toThrow(`prometheus address ${address ?? ''} is not a valid URL`);
    },
  );
});

describe('credentials (TestNewPrometheusProvider)', () => {
  it.each([
    [{}, 'a username'],
    [{ username: 'me' }, 'a password'],
    [{ password: 'pw' }, 'a username'],
  ])('%j is refused for the lack of %s', (credentials, missing) => {
    const create = () => provider({ address: 'http://prometheus', credentials });
    expect(create).toThrow(`prometheus credentials does not contain ${missing}`);
    try {
      create();
    } catch (error) {
      expect(failureType(error)).toBe('InvalidSpec');
    }
  });

  it('TestPrometheusProvider_RunQueryWithBasicAuth: user and password go out as Basic', async () => {
    const { answer, request } = await answerTo(vector('100'), {
      credentials: { username: 'username', password: 'password' },
    });
    expect(answer).toEqual({ value: 100 });
    expect(request.headers['authorization']).toBe(`Basic ${Buffer.from('username:password').toString('base64')}`);
  });

  it('TestPrometheusProvider_RunQueryWithBearerAuth: a token wins', async () => {
    const credentials = { token: 'bearer_token', username: 'u', password: 'p' };
    const { answer, request } = await answerTo(vector('100'), { credentials });
    expect(answer).toEqual({ value: 100 });
    expect(request.headers['authorization']).toBe('Bearer bearer_token');
  });

  it('TestPrometheusProvider_RunQueryWithProviderHeaders: the headers of the template are sent', async () => {
    const { request } = await answerTo(vector('100'), {
      headers: { 'X-Scope-OrgID': ['tenant1'], 'X-Two': ['a', 'b'] },
    });
    expect(request.headers).toMatchObject({ 'x-scope-orgid': 'tenant1', 'x-two': 'a, b' });
    expect(request.headers).not.toHaveProperty('authorization');
  });

  it('a token stands in for an Authorization header of the template and does not pile up', async () => {
    const server = await startServer(() => vector('1'));
    const headers = { authorization: ['Bearer theirs'] };
    const bearer = provider({ address: server.url, headers, credentials: { token: 'ours' } });
    await bearer.read('x');
    await bearer.read('x');
    expect(server.requests.map((request) => request.headers['authorization'])).toEqual(['Bearer ours', 'Bearer ours']);
    expect(headers).toEqual({ authorization: ['Bearer theirs'] });
  });

  it('never go out beside an Authorization header of another spelling', async () => {
    let sent: Readonly<Record<string, string>> = {};
    const recorder = {
      send: ({ headers = {} }: HttpRequest) => {
        sent = headers;
        return Promise.resolve({ status: 200, headers: {}, body: '{}' });
      },
    };
    const headers = { AUTHORIZATION: ['Bearer theirs'], 'X-Scope-OrgID': ['a'] };
    const credentials = { token: 'ours' };
    const settings = { type: 'prometheus', address: 'http://p', headers, credentials, interval: '', timeoutMs: 1000 };
    await prometheus(settings, recorder).read('x');
    expect(sent).toEqual({ 'X-Scope-OrgID': 'a', Authorization: 'Bearer ours' });
  });

  it('appear in no text, even when the server repeats them', async () => {
    const basic = Buffer.from('me:hunter2').toString('base64');
    const { answer } = await answerTo(
      { status: 500, body: `bad header Basic ${basic} of me:hunter2` },
      { credentials: { username: 'me', password: 'hunter2' } },
    );
    expect(answer).toEqual({
      failure: 'unavailable',
      error: 'error response: Status 500 Internal Server Error: bad header Basic xxxxx of me:xxxxx',
    });
  });
});

describe('the value', () => {
  it.each([
    ['100', 100],
    ['0.5', 0.5],
    ['1e-3', 0.001],
    ['-3', -3],
    ['+Inf', Infinity],
    ['-Inf', -Infinity],
  ])('%s is read as %d', async (text, value) => {
    expect((await answerTo(vector(text))).answer).toEqual({ value });
  });

  it.each([
    ['an empty result', vector()],
    ['NaN', vector('NaN')],
    ['a number where a string belongs', vector(1)],
    ['a value of one element', { body: '{"data":{"result":[{"value":[1]}]}}' }],
    ['a series without a value', { body: '{"data":{"result":[{"metric":{}}]}}' }],
    ['no data at all', { body: '{"status":"success"}' }],
  ])('is missing in %s', async (_, reply) => {
    expect((await answerTo(reply)).answer).toEqual({ failure: 'no-values', error: 'no values found' });
  });

  it('is not one in a matrix', async () => {
    const body = '{"data":{"resultType":"matrix","result":[{"metric":{},"values":[[1,"1"],[2,"2"]]}]}}';
    expect((await answerTo({ body })).answer).toEqual({ failure: 'unusable', error: 'query returned multiple values' });
  });

  it.each([[['99.9', '12.0', 'NaN']], [['NaN', '12.0', '99.9']], [['12.0', 'NaN', '99.9']]])(
    'D-03: of several series, %j, none is taken',
    async (values) => {
      expect((await answerTo(vector(...values))).answer).toEqual({
        failure: 'unusable',
        error: 'query returned 3 series',
      });
    },
  );

  it('is not read from a scalar', async () => {
    const body = '{"status":"success","data":{"resultType":"scalar","result":[1,"5"]}}';
    expect((await answerTo({ body })).answer).toEqual({
      failure: 'unusable',
      error: `error unmarshaling result: the query yields a scalar, not a vector, '${body}'`,
    });
  });

  it('is not read from a string that is no number', async () => {
    expect((await answerTo(vector('many'))).answer).toEqual({
      failure: 'unavailable',
      error: 'strconv.ParseFloat: parsing "many": invalid syntax',
    });
  });
});

describe('a server that does not answer as documented', () => {
  it.each([
    [400, 'Bad Request', 'unusable'],
    [422, 'Unprocessable Entity', 'unusable'],
    [401, 'Unauthorized', 'unavailable'],
    [404, 'Not Found', 'unavailable'],
    [502, 'Bad Gateway', 'unavailable'],
    [503, 'Service Unavailable', 'unavailable'],
  ])('with status %i (%s) is %s', async (status, text, kind) => {
    expect((await answerTo({ status, body: 'why' })).answer).toEqual({
      failure: kind,
      error: `error response: Status ${status} ${text}: why`,
    });
  });

  it.each(['', '<html>login</html>', '{', 'null', '[]', '{"data":{"result":7}}'])(
    'with the body %j is unavailable',
    async (body) => {
      const { answer } = await answerTo({ body });
      expect(answer).toEqual({ failure: 'unavailable', error: expect.stringContaining('error unmarshaling result: ') });
    },
  );

  it('and sends a long page is quoted in short', async () => {
    const { answer } = await answerTo({ status: 500, body: 'x'.repeat(100_000) });
    expect((answer as { error: string }).error.length).toBeLessThan(700);
  });

  it('nor at all is unavailable', async () => {
    const url = await deadUrl();
    expect(await provider({ address: url }).read('x')).toEqual({
      failure: 'unavailable',
      error: `request failed: Get "${url}/api/v1/query?xxxxx": dial tcp ${url.slice(7)}: connect: connection refused`,
    });
  });

  it('in time is unavailable', async () => {
    const server = await startServer(() => undefined);
    expect(await provider({ address: server.url, timeoutMs: 100 }).read('x')).toEqual({
      failure: 'unavailable',
      error: `request failed: Get "${server.url}/api/v1/query?xxxxx": context deadline exceeded`,
    });
  });
});

describe('certificates', () => {
  it.each([
    [true, { value: 1 }],
    [undefined, { failure: 'unavailable', error: expect.stringContaining('certificate signed by unknown authority') }],
  ])('with insecureSkipVerify %s', async (insecureSkipVerify, answer) => {
    const server = await startServer(() => vector('1'), { tls: true });
    expect(await provider({ address: server.url, insecureSkipVerify }).read('x')).toEqual(answer);
  });
});

describe('TestPrometheusProvider_IsOnline', () => {
  it.each([
    ['ok', vector('1'), undefined],
    ['another value', vector('2'), 'value is not 1 for query: vector(1)'],
    [
      '502',
      { status: 502, body: 'bad gateway' },
      'running query failed: error response: Status 502 Bad Gateway: bad gateway',
    ],
    ['nothing', vector(), 'running query failed: no values found'],
  ])('%s', async (_, reply, problem) => {
    const server = await startServer(() => reply);
    expect(await provider({ address: server.url }).offline()).toBe(problem);
    expect(server.requests[0]!.url).toBe('/api/v1/query?query=vector%281%29');
  });
});
