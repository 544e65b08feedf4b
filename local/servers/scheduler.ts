import { answers } from '../probe.ts';
import { startServer, type Server } from '../process.ts';
import { placed, type Place } from './place.ts';

/** Starts the scheduler, which gives pods their (simulated) node. */
export function startScheduler(place: Place, kubeconfig: string): Promise<Server> {
  const address = `https://127.0.0.1:${place.port}`;
  return startServer({
    ...placed('kube-scheduler', place, [
      ...['--kubeconfig', kubeconfig, '--bind-address', '127.0.0.1', '--secure-port', String(place.port)],
      ...['--cert-dir', 'certificates', '--leader-elect=false', '--kube-api-qps', '300', '--kube-api-burst', '600'],
    ]),
    address,
    ready: () => answers(`${address}/healthz`),
  });
}
