import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { answers } from '../probe.ts';
import { startServer, type Server } from '../process.ts';
import { dataFolder, placed, type Place } from './place.ts';

/**
 * Starts zot, a container registry that keeps OCI images alone, over plain HTTP. Built as it is here it tells nobody of
 * pushes.
 */
export function startZot(place: Place): Promise<Server> {
  const data = dataFolder(place.directory, 'zot');
  const config = join(data, 'config.json');
  writeFileSync(config, JSON.stringify(configuration(data, place.port)), { mode: 0o600 });
  const address = `127.0.0.1:${place.port}`;
  return startServer({
    ...placed('zot', place, ['serve', config]),
    address,
    ready: () => answers(`http://${address}/v2/`),
  });
}

/** @see https://zotregistry.dev/admin-guide/admin-configuration/ */
function configuration(data: string, port: number): object {
  return {
    distSpecVersion: '1.1.0-dev',
    storage: { rootDirectory: join(data, 'images') },
    http: { address: '127.0.0.1', port: String(port) },
    log: { level: 'error' },
  };
}
