import { createSign, generateKeyPairSync } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { connect } from 'node:net';
import { exportJWK, generateKeyPair, SignJWT, UnsecuredJWT, type JWTPayload } from 'jose';
import type { Http } from '../../src/clients/http.ts';
import { loadReceivers, type Receiver } from '../../src/triggers/receivers.ts';
import { certificateFor } from './certificate.ts';

/** When the requests of the fixtures are received. */
export const receivedAt = Date.UTC(2026, 4, 4, 9, 13);

/** Secrets that the receivers of the fixtures accept; the second one is being rotated out. */
export const secrets = ['fixture-secret-for-tests-only-0001', 'fixture-secret-that-is-on-its-way-out'] as const;

const root = new URL('../fixtures/events/', import.meta.url);

/** What is expected of a recorded request. */
export interface Expectation {
  readonly status: number;
  /** `outcome` and `reason` of every count. */
  readonly outcomes: readonly string[];
  readonly pushes: readonly object[];
  readonly answer?: object;
  /** Images of pod templates that the push is for. */
  readonly matches?: readonly string[];
}

/** Names of the recorded requests of a sender. */
export function fixturesOf(source: string): readonly string[] {
  return readdirSync(new URL(`${source}/`, root))
    .filter((name) => name.endsWith('.http'))
    .map((name) => name.replace(/\.http$/, ''));
}

export function expectationOf(source: string, name: string): Expectation {
  return JSON.parse(readFileSync(new URL(`${source}/${name}.expect.json`, root), 'utf8')) as Expectation;
}

/** The bytes of a recorded request: head and body. */
export function fixture(source: string, name: string): { readonly head: string; readonly body: string } {
  const text = readFileSync(new URL(`${source}/${name}.http`, root), 'utf8');
  const cut = text.indexOf('\n\n');
  return { head: text.slice(0, cut), body: text.slice(cut + 2) };
}

/** The receivers that the recorded requests of a sender are for. */
export function receiversOf(source: string, senders: Senders, now = receivedAt): Promise<readonly Receiver[]> {
  return loadReceivers(new URL(`${source}/receivers.json`, root).pathname, {
    env: { HOOK_SECRETS: secrets.join('\n'), HOOK_HEADERS: secrets.map((secret) => `Bearer ${secret}`).join('\n') },
    http: senders.http,
    now: () => now,
  });
}

/** Parties that sign, with keys of this run. */
export interface Senders {
  /** Has their public keys, and nothing else. */
  readonly http: Http;
  /** What was asked for. */
  readonly asked: string[];
  /** A recorded request with its placeholders filled in. */
  complete(request: { readonly head: string; readonly body: string }): Promise<{ head: string; body: string }>;
}

const gar = { iss: 'https://accounts.google.com', aud: 'https://hooks.example.com/gar', email_verified: true };
const delivery = { ...gar, email: 'delivery@acme-prod.iam.gserviceaccount.com' };
const hooks = 'https://hooks.example.com';
const gitlab = { iss: 'https://gitlab.com', aud: hooks, project_path: 'acme/shop/cart', ref_protected: 'true' };
const actions = {
  ...{ iss: 'https://token.actions.example.com', aud: hooks },
  ...{ repository: 'acme/cart', ref: 'refs/heads/main' },
};

const claims: Readonly<Record<string, JWTPayload>> = {
  gar: delivery,
  'gar-wrong-audience': { ...delivery, aud: 'https://elsewhere.example.com' },
  'gar-wrong-email': { ...gar, email: 'somebody@evil.iam.gserviceaccount.com' },
  'gar-email-not-verified': { ...delivery, email_verified: false },
  'gar-expired': { ...delivery, exp: receivedAt / 1000 - 61 },
  gitlab,
  'gitlab-wrong-project': { ...gitlab, project_path: 'evil/cart' },
  'gitlab-wrong-audience': { ...gitlab, aud: 'https://elsewhere.example.com' },
  actions,
  'actions-fork': { ...actions, repository: 'evil/cart' },
};

/** Opens the parties whose signatures the fixtures need. */
export async function openSenders(trap = 'http://127.0.0.1:1/'): Promise<Senders> {
  const { privateKey, publicKey } = await generateKeyPair('RS256', { extractable: true });
  const jwk = { ...(await exportJWK(publicKey)), kid: 'one', alg: 'RS256' };
  const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 });
  const certificate = certificateFor(rsa);
  const asked: string[] = [];

  async function token(kind: string): Promise<string> {
    const iat = receivedAt / 1000 - 120;
    const common = { iat, exp: receivedAt / 1000 + 300, ...(claims[kind] ?? delivery) };
    if (kind === 'gar-alg-none') return new UnsecuredJWT(common).encode();
    if (kind === 'gar-hs256')
      return new SignJWT(common)
        .setProtectedHeader({ alg: 'HS256', kid: 'one' })
        .sign(new TextEncoder().encode(JSON.stringify(jwk)));
    return new SignJWT(common).setProtectedHeader({ alg: 'RS256', kid: 'one' }).sign(privateKey);
  }

  return {
    asked,
    http: {
      send: ({ url }) => {
        asked.push(url);
        const body = url.endsWith('.pem') ? certificate : JSON.stringify({ keys: [jwk] });
        return Promise.resolve({ status: 200, headers: {}, body });
      },
    },
    async complete({ head, body }) {
      const filled = body
        .replace(/\{\{filler (\d+)\}\}/, (_, size: string) => 'x'.repeat(Number(size)))
        .replace('{{trap}}', trap);
      let start = head.replace('{{trap}}', trap);
      for (const [placeholder, kind = ''] of start.matchAll(/\{\{jwt ([a-z0-9-]+)\}\}/g))
        start = start.replace(placeholder, await token(kind));
      const path = /^POST (\S+)/.exec(start)?.[1] ?? '';
      const signature = createSign('RSA-SHA256')
        .update(eventBridgeText(`${hooks}${path}`, start, filled))
        .sign(rsa.privateKey, 'base64');
      return { head: start.replace('{{eventbridge-signature}}', signature), body: filled };
    },
  };
}

/**
 * What EventBridge signs, put together as Alibaba Cloud documents it ("Signature algorithm"), and not by the code that
 * checks it.
 */
function eventBridgeText(url: string, head: string, body: string): string {
  const line = (name: string) => {
    const value = new RegExp(`^${name}: *(.*)$`, 'im').exec(head)?.[1];
    return value === undefined ? '' : `${name}: ${value.trim()}\n`;
  };
  const timestamp = line('x-eventbridge-signature-timestamp');
  const hash = line('x-eventbridge-hash-method');
  const version = line('x-eventbridge-signature-version');
  const certificate = line('x-eventbridge-signature-url');
  const token = line('x-eventbridge-signature-token');
  return `${url}\n${timestamp}${hash}${version}${certificate}${token}${body}`;
}

export interface HttpAnswer {
  readonly status: number;
  /** In lower case. */
  readonly headers: string;
  readonly body: string;
}

/** Sends bytes to a port as they are, and reads the whole answer. */
export async function sendBytes(port: number, head: string, body: string | Buffer): Promise<HttpAnswer> {
  const bytes = Buffer.from(body);
  const lines = `${head.trimEnd().replaceAll('\n', '\r\n')}\r\nContent-Length: ${bytes.length}\r\nConnection: close\r\n\r\n`;
  return answerTo(port, Buffer.concat([Buffer.from(lines, 'latin1'), bytes]));
}

/** The answer to bytes that are no whole request, perhaps. */
export async function answerTo(port: number, bytes: Buffer): Promise<HttpAnswer> {
  return new Promise((resolve, reject) => {
    const socket = connect(port, '127.0.0.1', () => socket.write(bytes));
    let answer = '';
    socket.on('data', (chunk) => (answer += chunk.toString()));
    socket.on('error', (error) => (answer === '' ? reject(error) : undefined));
    socket.on('close', () => {
      const [headers = '', ...rest] = answer.split('\r\n\r\n');
      resolve({ status: Number(headers.split(' ')[1]), headers: headers.toLowerCase(), body: rest.join('') });
    });
  });
}
