import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';

/** The other side of hooks and alerts: says yes to everything, and remembers who asked what, when, under which id. */
export interface Receiver {
  /** URL that the hook of this name calls. */
  hook(name: string): string;
  /** URL of a chat room that speaks Slack's language. */
  room(namespace: string): string;
  /** In order of arrival. */
  readonly calls: readonly Call[];
  close(): Promise<void>;
}

export interface Call {
  /** Name of the hook, or `alert`. */
  readonly name: string;
  readonly namespace: string;
  /** What an event hook or an alert says; '' for a question. */
  readonly text: string;
  /** The `Idempotency-Key`; '' when there is none. */
  readonly key: string;
  /** When it arrived, in milliseconds since the epoch. */
  readonly at: number;
  /** When the answer was sent. Absent while it is thought about, and for ever when the caller has gone away meanwhile. */
  answeredAt?: number;
}

export interface ReceiverOptions {
  /** Milliseconds that the answer to these takes; others are answered at once. */
  readonly slow?: Readonly<Record<string, number>>;
  /** Hears of each call as it arrives. */
  readonly onCall?: (call: Call) => void;
}

/** Starts a receiver on 127.0.0.1. */
export async function openReceiver({ slow = {}, onCall }: ReceiverOptions = {}): Promise<Receiver> {
  const calls: Call[] = [];
  const server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      const [, what = '', name = ''] = (request.url ?? '').split('/');
      const key = request.headers['idempotency-key'];
      const body = JSON.parse(Buffer.concat(chunks).toString()) as Payload;
      const call: Call = {
        ...(what === 'rooms' ? alertIn(body, name) : questionIn(body, name)),
        key: typeof key === 'string' ? key : '',
        at: Date.now(),
      };
      calls.push(call);
      onCall?.(call);
      void sleep(slow[call.name] ?? 0).then(() => {
        if (response.destroyed) return;
        call.answeredAt = Date.now();
        response.end('ok');
      });
    });
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(0, '127.0.0.1', resolve);
  });
  const base = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  return {
    hook: (name) => `${base}/hooks/${name}`,
    room: (namespace) => `${base}/rooms/${namespace}`,
    calls,
    async close() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

interface Payload {
  readonly namespace?: string;
  readonly metadata?: { readonly eventMessage?: string };
  readonly attachments?: readonly { readonly text: string }[];
}

function alertIn({ attachments = [] }: Payload, namespace: string) {
  return { name: 'alert', namespace, text: attachments[0]?.text ?? '' };
}

function questionIn({ namespace = '', metadata = {} }: Payload, name: string) {
  return { name, namespace, text: metadata.eventMessage ?? '' };
}
