import { mkdir, rename, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { AwsClient } from 'aws4fetch';
import { failure, messageOf } from '../errors.ts';

/** Where the records of runs are kept for longer than Temporal keeps their histories. */
export interface AuditSink {
  /**
   * Keeps the records of a run, as JSON lines, in place of those that were kept of it before.
   *
   * @param key path-like, unique to the run
   * @throws `Unavailable` when they could not be kept, and may be later; `Unauthorized` when a person has to act
   */
  write(key: string, lines: string): Promise<void>;
}

/** How long an object store may take, in milliseconds. */
const patienceMs = 30_000;

/**
 * The sink that an address names: `file:///folder`, or `s3://bucket/prefix` for whatever speaks S3's protocol.
 *
 * @param env region, endpoint and credentials by their usual names: `AWS_REGION`, `AWS_ENDPOINT_URL`, `AWS_ACCESS_KEY_ID`,
 * `AWS_SECRET_ACCESS_KEY`, `AWS_SESSION_TOKEN`
 * @throws `InvalidSpec` naming what is missing
 */
export function openSink(address: string, env: Readonly<Record<string, string | undefined>> = process.env): AuditSink {
  const url = URL.parse(address);
  switch (url?.protocol) {
    case 'file:':
      return folderSink(decodeURIComponent(url.pathname));
    case 's3:':
      return bucketSink(url, env);
    case undefined:
    default:
      throw failure('InvalidSpec', `SERIN_AUDIT_SINK is "${address}", expected file:///folder or s3://bucket/prefix`);
  }
}

function folderSink(folder: string): AuditSink {
  return {
    async write(key, lines) {
      const path = join(folder, key);
      try {
        await mkdir(dirname(path), { recursive: true });
        // Whoever reads it sees the old file or the new one, and nothing in between.
        await writeFile(`${path}.new`, lines);
        await rename(`${path}.new`, path);
      } catch (error) {
        throw failure('Unavailable', `audit file ${path} could not be written: ${messageOf(error)}`, error);
      }
    },
  };
}

function bucketSink({ hostname: bucket, pathname }: URL, env: Readonly<Record<string, string | undefined>>): AuditSink {
  const { AWS_ACCESS_KEY_ID: accessKeyId, AWS_SECRET_ACCESS_KEY: secretAccessKey } = env;
  if (!accessKeyId || !secretAccessKey) {
    throw failure('InvalidSpec', 'an audit sink in a bucket needs AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY');
  }
  const region = env.AWS_REGION || 'us-east-1';
  const endpoint = (env.AWS_ENDPOINT_URL || `https://s3.${region}.amazonaws.com`).replace(/\/+$/, '');
  const sessionToken = env.AWS_SESSION_TOKEN;
  const client = new AwsClient({
    ...{ accessKeyId, secretAccessKey, region, service: 's3', retries: 0 },
    ...(sessionToken ? { sessionToken } : {}),
  });
  const prefix = pathname.replace(/^\/+|\/+$/g, '');
  return {
    async write(key, lines) {
      const path = [bucket, ...(prefix ? [prefix] : []), key].map((part) =>
        part.split('/').map(encodeURIComponent).join('/'),
      );
      const url = `${endpoint}/${path.join('/')}`;
      const answer = await client
        .fetch(url, {
          ...{ method: 'PUT', body: lines, headers: { 'content-type': 'application/x-ndjson' } },
          signal: AbortSignal.timeout(patienceMs),
        })
        .catch((error: unknown) => {
          throw failure('Unavailable', `PUT ${url}: ${messageOf(error)}`, error);
        });
      const text = await answer.text();
      if (answer.ok) return;
      // Its own code says it best, and nothing of the credentials is in it.
      const code = /<Code>(\w+)<\/Code>/.exec(text)?.[1] ?? '';
      const isRefused = answer.status === 401 || answer.status === 403;
      throw failure(isRefused ? 'Unauthorized' : 'Unavailable', `PUT ${url} answered ${answer.status} ${code}`.trim());
    },
  };
}
