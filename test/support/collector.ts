import { appendFileSync, existsSync, readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';

/** A span as OTLP's JSON has it, as far as tests look. */
export interface CollectedSpan {
  readonly service: string;
  readonly name: string;
  readonly traceId: string;
  readonly spanId: string;
  readonly parentSpanId: string;
  readonly attributes: Readonly<Record<string, string>>;
  readonly failed: boolean;
  /** Milliseconds since the epoch. */
  readonly startedAt: number;
  readonly endedAt: number;
}

/** Where the collector of a stack of the end-to-end level keeps what it is sent. */
export const tracesIn = (directory: string) => join(directory, 'traces.jsonl');

/** A collector of traces that keeps what it is sent in a file, for tests of any process to read. */
export async function serveCollector(file: string): Promise<{ readonly url: string; close(): Promise<void> }> {
  const server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      if (request.url === '/v1/traces') appendFileSync(file, `${Buffer.concat(chunks).toString('utf8')}\n`);
      response.writeHead(200, { 'content-type': 'application/json' }).end('{}');
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    async close() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

interface Exported {
  readonly resourceSpans: readonly {
    readonly resource: { readonly attributes: readonly Attribute[] };
    readonly scopeSpans: readonly {
      readonly spans: readonly {
        readonly name: string;
        readonly traceId: string;
        readonly spanId: string;
        readonly parentSpanId?: string;
        readonly attributes: readonly Attribute[];
        readonly startTimeUnixNano: string;
        readonly endTimeUnixNano: string;
        readonly status: { readonly code?: number };
      }[];
    }[];
  }[];
}

interface Attribute {
  readonly key: string;
  readonly value: { readonly stringValue?: string; readonly intValue?: number | string };
}

/** What a collector has been sent so far. */
export function collectedSpans(file: string): CollectedSpan[] {
  if (!existsSync(file)) return [];
  const lines = readFileSync(file, 'utf8').split('\n').filter(Boolean);
  const map = (attributes: readonly Attribute[]) =>
    Object.fromEntries(attributes.map(({ key, value }) => [key, String(value.stringValue ?? value.intValue ?? '')]));
  const ms = (nanos: string) => Number(BigInt(nanos) / 1_000_000n);
  return lines
    .flatMap((line) => (JSON.parse(line) as Exported).resourceSpans)
    .flatMap(({ resource, scopeSpans }) =>
      scopeSpans.flatMap(({ spans }) =>
        spans.map(({ name, traceId, spanId, parentSpanId = '', attributes, status, ...times }) => ({
          ...{ service: map(resource.attributes)['service.name'] ?? '', name, traceId, spanId, parentSpanId },
          attributes: map(attributes),
          failed: status.code === 2,
          startedAt: ms(times.startTimeUnixNano),
          endedAt: ms(times.endTimeUnixNano),
        })),
      ),
    );
}
