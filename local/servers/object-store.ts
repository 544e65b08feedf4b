import { randomBytes } from 'node:crypto';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { startServer, type Server } from '../process.ts';
import { dataFolder, placed, type Place } from './place.ts';

export interface ObjectStore extends Server {
  /** What a client of S3 reads from its environment. */
  readonly env: Readonly<Record<'AWS_ENDPOINT_URL' | 'AWS_ACCESS_KEY_ID' | 'AWS_SECRET_ACCESS_KEY', string>>;
  /** The folder whose folders are the buckets, and whose files are their objects. */
  readonly folder: string;
}

/** Starts an object store that speaks S3's protocol (Versity's gateway) over plain HTTP, with these buckets. */
export async function startObjectStore(place: Place, buckets: readonly string[] = ['audit']): Promise<ObjectStore> {
  const folder = join(dataFolder(place.directory, 'versitygw'), 'buckets');
  for (const bucket of buckets) mkdirSync(join(folder, bucket), { recursive: true });
  const address = `127.0.0.1:${place.port}`;
  const [access, secret] = ['serin', randomBytes(20).toString('hex')] as const;
  const server = await startServer({
    ...placed('versitygw', place, ['--port', address, '--quiet', 'posix', folder]),
    env: { ROOT_ACCESS_KEY_ID: access, ROOT_SECRET_ACCESS_KEY: secret },
    address,
    // It refuses who has not signed, and so it is there.
    ready: async () => (await fetch(`http://${address}/`)).status === 403,
  });
  const env = { AWS_ENDPOINT_URL: `http://${address}`, AWS_ACCESS_KEY_ID: access, AWS_SECRET_ACCESS_KEY: secret };
  return Object.assign(server, { env, folder });
}
