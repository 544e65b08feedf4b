import { certificateOf, type Credentials } from '../credentials.ts';
import { answers } from '../probe.ts';
import { startServer, type Server } from '../process.ts';
import { placed, type Place } from './place.ts';

/**
 * Without the controllers that need real machines. Node lifecycle is among them: after a long outage of the API server it
 * would call every pod unready, which a real kubelet puts right and a simulated one does not. So are those that follow
 * every pod of every Service with endpoints: nothing here sends traffic to one.
 */
const controllers = [
  '*',
  ...[
    'node-ipam-controller',
    'node-lifecycle-controller',
    'taint-eviction-controller',
    'cloud-node-lifecycle-controller',
    'node-route-controller',
    'service-lb-controller',
    'persistentvolume-binder-controller',
    'persistentvolume-attach-detach-controller',
    'persistentvolume-expander-controller',
    'ttl-controller',
    'endpoints-controller',
    'endpointslice-controller',
    'endpointslice-mirroring-controller',
  ].map((name) => `-${name}`),
].join(',');

/** Starts the controllers that turn Deployments into pods and clean up behind them. */
export function startControllerManager(place: Place, kubeconfig: string, credentials: Credentials): Promise<Server> {
  const address = `https://127.0.0.1:${place.port}`;
  return startServer({
    ...placed('kube-controller-manager', place, [
      ...['--kubeconfig', kubeconfig, '--bind-address', '127.0.0.1', '--secure-port', String(place.port)],
      ...['--cert-dir', 'certificates', '--leader-elect=false', '--controllers', controllers],
      ...['--service-account-private-key-file', credentials.serviceAccountKey],
      ...['--root-ca-file', certificateOf(credentials.certificates)],
      ...['--kube-api-qps', '300', '--kube-api-burst', '600', '--min-resync-period', '1h'],
      ...['--concurrent-deployment-syncs', '10', '--concurrent-replicaset-syncs', '10'],
      ...['--concurrent-namespace-syncs', '20', '--horizontal-pod-autoscaler-sync-period', '10s'],
    ]),
    address,
    ready: () => answers(`${address}/healthz`),
  });
}
