import type { Credentials } from '../credentials.ts';
import { answers } from '../probe.ts';
import { startServer, type Server } from '../process.ts';
import { placed, type Place } from './place.ts';

/**
 * Starts the API server over an etcd. It makes its own certificate, and the same data and port serve it again after it
 * was killed. Simulated pods read no tokens, so the ServiceAccount plugin is off; nobody here manages the taints that
 * TaintNodesByCondition puts on new nodes.
 */
export function startApiserver(place: Place, etcd: string, credentials: Credentials): Promise<Server> {
  const address = `https://127.0.0.1:${place.port}`;
  return startServer({
    ...placed('kube-apiserver', place, [
      ...['--etcd-servers', etcd, '--bind-address', '127.0.0.1', '--advertise-address', '127.0.0.1'],
      ...['--secure-port', String(place.port), '--endpoint-reconciler-type', 'none'],
      ...['--cert-dir', credentials.certificates, '--token-auth-file', credentials.tokenFile],
      ...['--service-account-key-file', credentials.serviceAccountKey],
      ...['--service-account-signing-key-file', credentials.serviceAccountKey],
      ...['--service-account-issuer', 'https://kubernetes.default.svc', '--service-cluster-ip-range', '10.0.0.0/16'],
      ...['--authorization-mode', 'RBAC', '--allow-privileged'],
      ...['--disable-admission-plugins', 'ServiceAccount,TaintNodesByCondition'],
      '--enable-priority-and-fairness=false',
      ...['--max-requests-inflight', '2000', '--max-mutating-requests-inflight', '1000'],
      '--profiling=false',
    ]),
    address,
    readyTimeoutMs: 120_000,
    ready: () => answers(`${address}/readyz`),
  });
}
