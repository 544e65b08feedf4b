import { Agent as HttpAgent } from 'node:http';
import { Agent as HttpsAgent } from 'node:https';
import axios, { type AxiosError, type AxiosProxyConfig } from 'axios';
import { failure, messageOf, type FailureType } from '../errors.ts';
import { proxyFor, type Environment } from './proxy.ts';
import { maskUrl } from './url.ts';

/** An HTTP call that other people's servers answer: metrics providers, hooks, notifiers. */
export interface HttpRequest {
  readonly method: 'GET' | 'POST';
  readonly url: string;
  readonly headers?: Readonly<Record<string, string>>;
  /** Sent as it is. */
  readonly body?: string;
  readonly timeoutMs: number;
  /** Accept any server certificate. */
  readonly insecure?: boolean;
  /** URL of a proxy for this call, '' for none; otherwise the standard environment variables apply. */
  readonly proxy?: string;
  /** How often to follow a redirect; ten times by default. With 0 a redirect is the answer. */
  readonly maxRedirects?: number;
  /** Longest body that is read, in bytes; 10 MiB by default. */
  readonly maxBytes?: number;
  readonly signal?: AbortSignal;
}

export interface HttpResponse {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

export interface Http {
  /**
   * Sends a request once, following redirects. Every status is an answer; only no answer at all is thrown.
   *
   * @throws `Unavailable` with the cause in Go's words where Flagger's events carry them; user info and query of the
   * URL are masked
   * @throws `InvalidSpec` when no repetition can help: a URL or scheme that cannot be called, a certificate that is not
   * trusted, endless redirects
   */
  send(request: HttpRequest): Promise<HttpResponse>;
}

/** Longest body that is read, in bytes. Answers we read are a few kilobytes; anything near this is a mistake. */
const maxBodyBytes = 10 * 1024 * 1024;

/** @param env where the standard proxy variables are looked up */
export function createHttp(env: Environment = process.env): Http {
  // One connection a call: a kept-alive one that the server closes as we write would fail a hook that was never asked.
  const httpAgent = new HttpAgent({ keepAlive: false });
  const verifying = new HttpsAgent({ keepAlive: false });
  const trusting = new HttpsAgent({ keepAlive: false, rejectUnauthorized: false });

  return {
    async send(request) {
      const deadline = AbortSignal.timeout(Math.min(Math.max(1, Math.ceil(request.timeoutMs)), 2 ** 31 - 1));
      try {
        const { url, authorization } = destination(request.url);
        const response = await axios.request<string>({
          adapter: 'http',
          method: request.method,
          url: url.href,
          headers: { 'User-Agent': 'serin', Accept: '*/*', ...authorization, ...request.headers },
          data: request.body,
          responseType: 'text',
          // Bodies pass as they are, both ways: each caller knows its own format.
          transformRequest: [(body: unknown) => body],
          transformResponse: [(body: unknown) => body],
          validateStatus: () => true,
          maxRedirects: request.maxRedirects ?? 10,
          maxContentLength: request.maxBytes ?? maxBodyBytes,
          maxBodyLength: Infinity,
          proxy: proxyOf(request.proxy ?? proxyFor(url, env)),
          httpAgent,
          httpsAgent: request.insecure ? trusting : verifying,
          signal: AbortSignal.any([deadline, ...(request.signal ? [request.signal] : [])]),
        });
        const headers = Object.entries(response.headers).map(([name, value]) => [name.toLowerCase(), String(value)]);
        return {
          status: response.status,
          headers: Object.fromEntries(headers) as Record<string, string>,
          body: response.data,
        };
      } catch (error) {
        const timedOut = deadline.aborted && !request.signal?.aborted;
        const { type, words, cause } = timedOut ? deadlineExceeded : explain(error);
        const verb = request.method === 'GET' ? 'Get' : 'Post';
        throw failure(type, `${verb} "${maskUrl(request.url)}": ${words}`, cause);
      }
    },
  };
}

/** Where to call, with the URL's user info turned into the header that a server expects. */
function destination(text: string) {
  const scheme = /^([a-z][a-z0-9+.-]*):/i.exec(text)?.[1]?.toLowerCase() ?? '';
  if (!/^https?:\/\//i.test(text)) throw new Uncallable(`unsupported protocol scheme "${scheme}"`);
  if (!URL.canParse(text)) throw new Uncallable('invalid URL');
  const url = new URL(text);
  const user = decodeURIComponent(url.username);
  const password = decodeURIComponent(url.password);
  url.username = '';
  url.password = '';
  const basic = Buffer.from(`${user}:${password}`).toString('base64');
  return { url, authorization: user || password ? { Authorization: `Basic ${basic}` } : {} };
}

function proxyOf(text: string | undefined): AxiosProxyConfig | false {
  if (!text) return false;
  const proxy = /^[a-z][a-z0-9+.-]*:\/\//i.test(text) ? text : `http://${text}`;
  const url = URL.canParse(proxy) ? new URL(proxy) : undefined;
  if (!url || !/^https?:$/.test(url.protocol)) throw new Uncallable(`unable to parse proxy URL '${maskUrl(text)}'`);
  const protocol = url.protocol.slice(0, -1);
  const auth = { username: decodeURIComponent(url.username), password: decodeURIComponent(url.password) };
  return {
    protocol,
    host: url.hostname,
    port: Number(url.port || (protocol === 'https' ? 443 : 80)),
    ...(auth.username ? { auth } : {}),
  };
}

/** A request that cannot be sent at all. */
class Uncallable extends Error {}

interface Explanation {
  readonly type: FailureType;
  readonly words: string;
  readonly cause?: Error;
}

const deadlineExceeded: Explanation = { type: 'Unavailable', words: 'context deadline exceeded' };

/** Says in Go's words why there was no answer. */
function explain(error: unknown): Explanation {
  if (error instanceof Uncallable || error instanceof URIError) return { type: 'InvalidSpec', words: error.message };
  if (!axios.isAxiosError(error)) return { type: 'Unavailable', words: messageOf(error) };
  // Axios' own error holds the whole request, credentials included, so only what lies beneath it goes on.
  const cause = systemError(error);
  const code = cause?.code ?? error.code ?? '';
  const unverifiable = certificateFaults[code];
  if (unverifiable) {
    const words = `tls: failed to verify certificate: x509: ${unverifiable}`;
    return { type: 'InvalidSpec', words, cause };
  }
  switch (code) {
    case 'ERR_CANCELED':
      return { type: 'Unavailable', words: 'context canceled' };
    case 'ERR_FR_TOO_MANY_REDIRECTS':
      return { type: 'InvalidSpec', words: 'stopped after 10 redirects' };
    case 'ERR_INVALID_CHAR':
      return { type: 'InvalidSpec', words: 'net/http: invalid header field value' };
    case 'ERR_BAD_RESPONSE':
      return { type: 'Unavailable', words: 'response body larger than 10 MiB' };
    case 'EPROTO':
      return { type: 'Unavailable', words: 'http: server gave HTTP response to HTTPS client', cause };
    default:
      return { type: 'Unavailable', words: networkWords(code, cause) ?? error.message, cause };
  }
}

interface SystemError extends Error {
  readonly code?: string;
  readonly address?: string;
  readonly port?: number;
  readonly hostname?: string;
}

function systemError(error: AxiosError): SystemError | undefined {
  let cause: unknown = error;
  // Redirected and multi-address attempts wrap the real reason once more.
  while (axios.isAxiosError(cause) || /^Redirected/.test((cause as Error | undefined)?.message ?? ''))
    cause = (cause as Error).cause;
  const { errors } = (cause ?? {}) as Partial<AggregateError>;
  return (errors?.[0] ?? cause) as SystemError | undefined;
}

function networkWords(code: string, cause?: SystemError): string | undefined {
  const peer = `${cause?.address?.includes(':') ? `[${cause.address}]` : cause?.address}:${cause?.port}`;
  switch (code) {
    case 'ECONNREFUSED':
      return `dial tcp ${peer}: connect: connection refused`;
    case 'EHOSTUNREACH':
      return `dial tcp ${peer}: connect: no route to host`;
    case 'ENETUNREACH':
      return `dial tcp ${peer}: connect: network is unreachable`;
    case 'ETIMEDOUT':
      return `dial tcp ${peer}: connect: connection timed out`;
    case 'ENOTFOUND':
      return `dial tcp: lookup ${cause?.hostname}: no such host`;
    case 'EAI_AGAIN':
      return `dial tcp: lookup ${cause?.hostname}: server misbehaving`;
    case 'ECONNRESET':
      return cause?.message === 'socket hang up' || cause?.message === 'aborted'
        ? 'EOF'
        : 'read: connection reset by peer';
    default:
      return code.startsWith('HPE_')
        ? 'net/http: HTTP/1.x transport connection broken: malformed HTTP response'
        : undefined;
  }
}

const certificateFaults: Readonly<Record<string, string>> = {
  DEPTH_ZERO_SELF_SIGNED_CERT: 'certificate signed by unknown authority',
  SELF_SIGNED_CERT_IN_CHAIN: 'certificate signed by unknown authority',
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: 'certificate signed by unknown authority',
  UNABLE_TO_GET_ISSUER_CERT: 'certificate signed by unknown authority',
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: 'certificate signed by unknown authority',
  CERT_HAS_EXPIRED: 'certificate has expired or is not yet valid',
  CERT_NOT_YET_VALID: 'certificate has expired or is not yet valid',
  ERR_TLS_CERT_ALTNAME_INVALID: 'certificate is not valid for the name that was called',
};
