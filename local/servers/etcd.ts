import { answers } from '../probe.ts';
import { startServer, type Server } from '../process.ts';
import { placed, type Place } from './place.ts';

/** Starts etcd. Not flushing to disk makes it fast; what it wrote still survives its own death, only not the machine's. */
export function startEtcd(place: Place, peerPort: number): Promise<Server> {
  const client = `http://127.0.0.1:${place.port}`;
  const peer = `http://127.0.0.1:${peerPort}`;
  return startServer({
    ...placed('etcd', place, [
      ...['--name', 'local', '--data-dir', 'data', '--unsafe-no-fsync', '--log-level', 'warn'],
      ...['--listen-client-urls', client, '--advertise-client-urls', client],
      ...['--listen-peer-urls', peer, '--initial-advertise-peer-urls', peer, '--initial-cluster', `local=${peer}`],
      ...['--quota-backend-bytes', String(4 * 1024 ** 3), '--auto-compaction-retention', '5m'],
    ]),
    address: client,
    ready: () => answers(`${client}/health`),
  });
}
