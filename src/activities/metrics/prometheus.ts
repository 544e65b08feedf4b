import { STATUS_CODES } from 'node:http';
import { z } from 'zod';
import type { Http, HttpResponse } from '../../clients/http.ts';
import { maskUrl } from '../../clients/url.ts';
import { failure, messageOf } from '../../errors.ts';
import { excerpt, redact } from '../redact.ts';
import {
  multipleValues,
  noValues,
  type Answer,
  type CreateMetricsProvider,
  type ProviderSettings,
} from './provider.ts';

/** The part of an instant-query answer we read. Source: Prometheus docs, "HTTP API". */
const InstantQuery = z.object({
  data: z
    .object({
      result: z.array(z.object({ value: z.array(z.unknown()).optional(), values: z.array(z.unknown()).optional() })),
    })
    .optional(),
});

/** Prometheus, and whatever speaks its query API. @see Flagger, pkg/metrics/providers/prometheus.go */
export const prometheus: CreateMetricsProvider = (settings, http) => {
  const address = addressOf(settings);
  const { authorization, secrets } = credentialsOf(settings);
  const headers = { ...plainHeaders(settings, authorization !== undefined), ...authorization };

  return { read, offline };

  async function read(query: string): Promise<Answer> {
    const answer = await ask(query);
    return 'failure' in answer ? { ...answer, error: redact(answer.error, secrets) } : answer;
  }

  async function offline(): Promise<string | undefined> {
    const answer = await read('vector(1)');
    if ('failure' in answer) return `running query failed: ${answer.error}`;
    return answer.value === 1 ? undefined : 'value is not 1 for query: vector(1)';
  }

  async function ask(query: string): Promise<Answer> {
    const url = new URL(address);
    url.pathname = `${url.pathname.replace(/\/+$/, '')}/api/v1/query`;
    url.search = new URLSearchParams({ query: query.replace(/\s+/g, ' ') }).toString();
    url.hash = '';
    const { timeoutMs, insecureSkipVerify: insecure, signal } = settings;
    const response = await send(http, { url: url.href, headers, timeoutMs, insecure, signal });
    return 'failure' in response ? response : answerOf(response);
  }
};

async function send(
  http: Http,
  request: Omit<Parameters<Http['send']>[0], 'method'>,
): Promise<HttpResponse | Extract<Answer, { failure: string }>> {
  try {
    return await http.send({ method: 'GET', ...request });
  } catch (error) {
    return { failure: 'unavailable', error: `request failed: ${messageOf(error)}` };
  }
}

function answerOf({ status, body }: HttpResponse): Answer {
  if (status >= 400) {
    const error = `error response: Status ${status} ${STATUS_CODES[status] ?? ''}: ${excerpt(body)}`;
    // 400 and 422 are Prometheus' words for a query that it cannot parse or evaluate.
    return { failure: status === 400 || status === 422 ? 'unusable' : 'unavailable', error };
  }
  const parsed = parse(body);
  if ('failure' in parsed) return parsed;
  const series = parsed.data?.result ?? [];
  if (series.some(({ values }) => values !== undefined && values.length > 0)) return multipleValues;
  // Which of several is meant cannot be known, and their order says nothing.
  if (series.length > 1) return { failure: 'unusable', error: `query returned ${series.length} series` };
  const text = series[0]?.value?.[1];
  return typeof text === 'string' ? numberOf(text) : noValues;
}

function parse(body: string): z.infer<typeof InstantQuery> | Extract<Answer, { failure: string }> {
  const refuse = (reason: string, kind: 'unavailable' | 'unusable') => {
    return { failure: kind, error: `error unmarshaling result: ${reason}, '${excerpt(body)}'` };
  };
  let json: unknown;
  try {
    json = JSON.parse(body);
  } catch (error) {
    return refuse(messageOf(error), 'unavailable');
  }
  const type = (json as { data?: { resultType?: unknown } } | null)?.data?.resultType;
  if (type === 'scalar' || type === 'string') return refuse(`the query yields a ${type}, not a vector`, 'unusable');
  const answer = InstantQuery.safeParse(json);
  return answer.success ? answer.data : refuse('not an answer to an instant query', 'unavailable');
}

function numberOf(text: string): Answer {
  const value = /^[+-]?inf(inity)?$/i.test(text) ? (text.startsWith('-') ? -Infinity : Infinity) : Number(text);
  if (/^[+-]?nan$/i.test(text)) return noValues;
  if (text.trim() === '' || Number.isNaN(value))
    return {
      failure: 'unavailable',
      error: `strconv.ParseFloat: parsing ${JSON.stringify(excerpt(text))}: invalid syntax`,
    };
  return { value };
}

function addressOf({ type, address = '' }: ProviderSettings): string {
  if (!URL.canParse(address) || !/^https?:\/\//i.test(address))
    throw failure('InvalidSpec', `${type} address ${maskUrl(address)} is not a valid URL`);
  return address;
}

interface Credentials {
  readonly authorization?: { readonly Authorization: string };
  /** What must not appear in any text. */
  readonly secrets: readonly string[];
}

function credentialsOf({ type, credentials }: ProviderSettings): Credentials {
  if (!credentials) return { secrets: [] };
  const { token, username, password } = credentials;
  if (token !== undefined) return { authorization: { Authorization: `Bearer ${token}` }, secrets: [token] };
  if (username === undefined) throw failure('InvalidSpec', `${type} credentials does not contain a username`);
  if (password === undefined) throw failure('InvalidSpec', `${type} credentials does not contain a password`);
  if (username === '' || password === '') return { secrets: [password] };
  const basic = Buffer.from(`${username}:${password}`).toString('base64');
  return { authorization: { Authorization: `Basic ${basic}` }, secrets: [password, basic] };
}

/** The template's own headers; a credential of the Secret stands in for an `Authorization` among them. */
function plainHeaders({ headers = {} }: ProviderSettings, isAuthorized: boolean): Record<string, string> {
  return Object.fromEntries(
    Object.entries(headers)
      .filter(([name]) => !(isAuthorized && name.toLowerCase() === 'authorization'))
      .map(([name, values]) => [name, values.join(', ')]),
  );
}
