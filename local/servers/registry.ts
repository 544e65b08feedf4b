import { randomBytes } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { stringify } from 'yaml';
import { answers } from '../probe.ts';
import { startServer, type Server } from '../process.ts';
import { dataFolder, placed, type Place } from './place.ts';

/** Who hears of a push. */
export interface PushListener {
  readonly url: string;
  /** Sent as `Authorization: Bearer <token>`. */
  readonly token?: string;
}

export interface Registry extends Server {
  /** Tells pushes to these listeners, and to nobody else, from now on. It starts again for that, which takes a moment. */
  notify(listeners: readonly PushListener[]): Promise<void>;
}

/** Starts a container registry (CNCF Distribution) over plain HTTP. Images may be deleted, and pushes are told to the listeners. */
export async function startRegistry(place: Place, listeners: readonly PushListener[] = []): Promise<Registry> {
  const data = dataFolder(place.directory, 'registry');
  const config = join(data, 'config.yml');
  const secret = randomBytes(16).toString('hex');
  const write = (listening: readonly PushListener[]) =>
    writeFileSync(config, stringify(configuration(data, place.port, secret, listening)), { mode: 0o600 });
  write(listeners);
  const address = `127.0.0.1:${place.port}`;
  const server = await startServer({
    ...placed('registry', place, ['serve', config]),
    // It would otherwise look for a collector of traces every few seconds and say that there is none.
    env: { OTEL_TRACES_EXPORTER: 'none' },
    address,
    ready: () => answers(`http://${address}/v2/`),
  });
  return Object.assign(server, {
    async notify(listening: readonly PushListener[]) {
      write(listening);
      await server.restart();
    },
  });
}

/** @see https://distribution.github.io/distribution/about/configuration/ */
function configuration(data: string, port: number, secret: string, listeners: readonly PushListener[]): object {
  const endpoints = listeners.map(({ url, token }, index) => ({
    name: `listener-${index}`,
    url,
    ...(token === undefined ? {} : { headers: { Authorization: [`Bearer ${token}`] } }),
    timeout: '5s',
    threshold: 5,
    backoff: '1s',
  }));
  return {
    version: 0.1,
    log: { level: 'warn', accesslog: { disabled: true } },
    storage: { filesystem: { rootdirectory: join(data, 'images') }, delete: { enabled: true } },
    http: { addr: `127.0.0.1:${port}`, secret },
    notifications: { endpoints },
  };
}
