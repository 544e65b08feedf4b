import { createServer, type RequestListener, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Registry } from 'prom-client';
import { messageOf } from './errors.ts';

/** A listening HTTP server. */
export interface Listening {
  /** The port in use, also when port 0 was asked for. */
  readonly port: number;
  /** Takes no more requests, lets those in progress finish within `graceMs` (default 3 s), then cuts what is left. */
  close(graceMs?: number): Promise<void>;
}

export interface ListenOptions {
  readonly host: string;
  /** 0 takes a free port. */
  readonly port: number;
  /** Longest time for the headers, and for the whole request, in milliseconds. */
  readonly headersTimeoutMs?: number;
  readonly requestTimeoutMs?: number;
}

/** Serves `handler` on `host:port`. Rejects when the address cannot be had. */
export async function listen(handler: RequestListener, options: ListenOptions): Promise<Listening> {
  const { host, port, headersTimeoutMs = 10_000, requestTimeoutMs = 30_000 } = options;
  const server = createServer(
    {
      headersTimeout: headersTimeoutMs,
      requestTimeout: requestTimeoutMs,
      keepAliveTimeout: 5_000,
      connectionsCheckingInterval: Math.min(1_000, headersTimeoutMs),
      maxHeaderSize: 16 * 1024,
    },
    handler,
  );
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, host, () => {
      server.off('error', reject);
      resolve();
    });
  });
  return {
    port: (server.address() as AddressInfo).port,
    async close(graceMs = 3_000) {
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      server.closeIdleConnections();
      const cut = setTimeout(() => server.closeAllConnections(), graceMs);
      await closed;
      clearTimeout(cut);
    },
  };
}

/** Whether a process can do its work. */
export interface Readiness {
  /** What keeps it from working, one sentence each. Empty: ready. */
  readonly problems: readonly string[];
  /** What people should know although it is ready. */
  readonly notes?: readonly string[];
}

/**
 * Asks what is missing, until nothing is; from then on the answer is known. For what does not come and go, so that probes
 * every few seconds cost nobody anything.
 */
export function untilComplete(missing: () => Promise<readonly string[]>): () => Promise<readonly string[]> {
  let complete = false;
  return async () => {
    if (complete) return [];
    const found = await missing();
    complete = found.length === 0;
    return found;
  };
}

export interface HealthOptions {
  readonly ready: () => Readiness | Promise<Readiness>;
  readonly metrics: Registry;
}

/**
 * Answers `/healthz` (200 as long as it listens, whatever other systems do), `/readyz` (200, or 503 with the problems)
 * and `/metrics` (Prometheus exposition).
 */
export function healthHandler({ ready, metrics }: HealthOptions): RequestListener {
  const answer = async (path: string, response: ServerResponse) => {
    if (path === '/healthz') return text(response, 200, 'OK\n');
    if (path === '/metrics') return text(response, 200, await metrics.metrics(), metrics.contentType);
    if (path !== '/readyz') return text(response, 404, 'there is /healthz, /readyz and /metrics\n');
    const { problems, notes = [] } = await ready();
    const lines = problems.length > 0 ? [...problems, ...notes] : ['OK', ...notes];
    return text(response, problems.length > 0 ? 503 : 200, `${lines.join('\n')}\n`);
  };
  return (request, response) => {
    if (request.method !== 'GET' && request.method !== 'HEAD') return text(response, 405, 'GET only\n');
    const path = (request.url ?? '/').split('?')[0] ?? '/';
    answer(path, response).catch((error: unknown) => text(response, 500, `${messageOf(error)}\n`));
  };
}

function text(response: ServerResponse, status: number, body: string, type = 'text/plain; charset=utf-8'): void {
  response.writeHead(status, { 'content-type': type }).end(body);
}
