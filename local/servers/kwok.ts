import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { answers } from '../probe.ts';
import { startServer, type Server } from '../process.ts';
import { stages, type StageOptions } from '../stages.ts';
import { dataFolder, placed, type Place } from './place.ts';

/** Starts KWOK, which plays the kubelets of every node. What becomes of a pod is in `stages.ts`. */
export function startKwok(place: Place, kubeconfig: string, options: StageOptions): Promise<Server> {
  const config = join(dataFolder(place.directory, 'kwok'), 'stages.yaml');
  writeFileSync(config, stages(options));
  const address = `127.0.0.1:${place.port}`;
  return startServer({
    ...placed('kwok', place, [
      ...['--kubeconfig', kubeconfig, '--config', config, '--manage-all-nodes', '--server-address', address],
      ...['--node-lease-duration-seconds', '40', '--cidr', '10.200.0.0/16', '--node-ip', '127.0.0.1'],
    ]),
    address,
    ready: () => answers(`http://${address}/healthz`),
  });
}
