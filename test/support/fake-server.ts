import { createServer, type RequestListener, type Server, type ServerResponse } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import type { AddressInfo, Socket } from 'node:net';
import { selfSigned } from './certificate.ts';

export interface ReceivedRequest {
  readonly method: string;
  /** Path and query as they came. */
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

export interface Reply {
  readonly status?: number;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
}

export interface FakeServer {
  /** `http://127.0.0.1:<port>`, or https. */
  readonly url: string;
  readonly requests: ReceivedRequest[];
  readonly server: Server;
}

const open: { readonly server: Server; readonly sockets: Set<Socket> }[] = [];

/**
 * A real server on 127.0.0.1. `answer` gets the request and its number, from 1; without a reply the request hangs,
 * unless `answer` uses the response itself.
 */
export async function startServer(
  answer: (request: ReceivedRequest, count: number, response: ServerResponse) => Reply | undefined,
  options: { readonly tls?: boolean } = {},
): Promise<FakeServer> {
  const requests: ReceivedRequest[] = [];
  const listener: RequestListener = (incoming, response) => {
    const chunks: Buffer[] = [];
    incoming.on('data', (chunk: Buffer) => chunks.push(chunk));
    incoming.on('end', () => {
      const request = {
        method: incoming.method ?? '',
        url: incoming.url ?? '',
        headers: Object.fromEntries(Object.entries(incoming.headers).map(([name, value]) => [name, String(value)])),
        body: Buffer.concat(chunks).toString(),
      };
      requests.push(request);
      const reply = answer(request, requests.length, response);
      if (reply) response.writeHead(reply.status ?? 200, reply.headers).end(reply.body ?? '');
    });
  };
  const server = options.tls ? createTlsServer(selfSigned(), listener) : createServer(listener);
  const sockets = new Set<Socket>();
  server.on('connection', (socket) => {
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  open.push({ server, sockets });
  const { port } = server.address() as AddressInfo;
  return { url: `${options.tls ? 'https' : 'http'}://127.0.0.1:${port}`, requests, server };
}

/** A URL on 127.0.0.1 where nothing listens. */
export async function deadUrl(): Promise<string> {
  const { url, server } = await startServer(() => ({}));
  await new Promise((resolve) => server.close(resolve));
  return url;
}

/** For `afterEach`: closes every server of the test, whatever still hangs on it. */
export async function closeServers(): Promise<void> {
  await Promise.all(
    open.splice(0).map(({ server, sockets }) => {
      for (const socket of sockets) socket.destroy();
      return new Promise<void>((resolve) => server.close(() => resolve()));
    }),
  );
}
