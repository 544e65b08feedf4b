import { Connection } from '@temporalio/client';
import { join } from 'node:path';
import { startServer, type Server } from '../process.ts';
import { dataFolder, placed, type Place } from './place.ts';

/**
 * Starts Temporal's development server with its web page on `uiPort`. It keeps everything in a file, so nothing is lost
 * when it is killed and started again; not flushing that to disk makes it fast, as with etcd. Workflows may ask for their
 * timers to be skipped, which tests do.
 */
export function startTemporal(place: Place, uiPort: number): Promise<Server> {
  const data = dataFolder(place.directory, 'temporal');
  const address = `127.0.0.1:${place.port}`;
  return startServer({
    ...placed('temporal', place, [
      ...['server', 'start-dev', '--headless=false', '--log-level', 'error'],
      ...['--ip', '127.0.0.1', '--port', String(place.port), '--ui-ip', '127.0.0.1', '--ui-port', String(uiPort)],
      ...['--db-filename', join(data, 'temporal.db')],
      ...['--sqlite-pragma', 'synchronous=0', '--sqlite-pragma', 'journal_mode=wal'],
      ...['--dynamic-config-value', 'frontend.WorkflowTimeSkippingEnabled=true'],
    ]),
    // Its own settings only: a profile of the user could point it somewhere else.
    env: { TEMPORAL_ADDRESS: '', TEMPORAL_NAMESPACE: '', TEMPORAL_PROFILE: '', TEMPORAL_CONFIG_FILE: '' },
    address,
    ready: () => isServing(address),
  });
}

/** Whether the namespace `default` is there. Our search attributes are not: the worker registers them. */
async function isServing(address: string): Promise<boolean> {
  const connection = await Connection.connect({ address, connectTimeout: 2_000 });
  try {
    await connection.operatorService.listSearchAttributes({ namespace: 'default' });
    return true;
  } finally {
    await connection.close();
  }
}
