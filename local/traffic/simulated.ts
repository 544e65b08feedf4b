import { createServer } from 'node:http';
import { resources, type Kubernetes, type KubernetesObject } from '../../src/clients/kubernetes.ts';
import { createCounters, type Answered } from './counters.ts';
import { follow } from './follow.ts';
import { serviceOf, shares, type HttpRoute } from './shares.ts';
import { defaultRules, type AdjustableTraffic, type TrafficRules } from './source.ts';

/** What the simulation reads of a cluster; keys are `<namespace>/<name>`. */
export interface MeshView {
  readonly virtualServices: ReadonlyMap<string, KubernetesObject>;
  readonly services: ReadonlyMap<string, KubernetesObject>;
  readonly deployments: ReadonlyMap<string, KubernetesObject>;
}

const tickMs = 250;

/**
 * Counts requests the way Istio's proxies would: each VirtualService gets a steady stream, shared out by its current
 * weights; each share is counted under the Deployment behind that host, as good and as fast as its image is.
 */
export async function simulateTraffic(kubernetes: Kubernetes, port: number): Promise<AdjustableTraffic> {
  const ending = new AbortController();
  const view: MeshView = {
    virtualServices: follow(kubernetes, resources.virtualServices, ending.signal),
    services: follow(kubernetes, resources.services, ending.signal),
    deployments: follow(kubernetes, resources.deployments, ending.signal),
  };
  const counters = createCounters();
  let everywhere = defaultRules;
  const byNamespace = new Map<string, Partial<TrafficRules>>();
  const rulesOf = (namespace: string) => ({ ...everywhere, ...byNamespace.get(namespace) });

  let last = performance.now();
  const clock = setInterval(() => {
    const now = performance.now();
    for (const answered of requestsIn(view, rulesOf, (now - last) / 1_000)) counters.add(answered);
    counters.keep(new Set([...view.deployments.values()].map(({ metadata }) => metadata.namespace ?? '')));
    last = now;
  }, tickMs);

  const server = createServer((_request, response) => {
    response.setHeader('content-type', 'text/plain; version=0.0.4');
    response.end(counters.page());
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, '127.0.0.1', resolve);
  });

  return {
    scrapeAddresses: [`127.0.0.1:${port}`],
    set(rules, namespace) {
      if (namespace === undefined) everywhere = { ...everywhere, ...rules };
      else byNamespace.set(namespace, { ...byNamespace.get(namespace), ...rules });
    },
    async stop() {
      clearInterval(clock);
      ending.abort();
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

/** The requests that were answered in the last `seconds`. A host without available pods answers none, so nobody counts any. */
export function requestsIn(
  view: MeshView,
  rulesOf: (namespace: string) => TrafficRules,
  seconds: number,
): readonly Answered[] {
  const deployments = Map.groupBy(view.deployments.values(), ({ metadata }) => metadata.namespace);
  return [...view.virtualServices.values()].flatMap((virtualService) => {
    const namespace = virtualService.metadata.namespace ?? '';
    const rules = rulesOf(namespace);
    const { http = [] } = virtualService.spec as { http?: readonly HttpRoute[] };
    return [...shares(http, rules.matchShare)].flatMap(([host, share]) => {
      const deployment = deploymentBehind(view.services, deployments, host, namespace);
      const loadtest = serviceOf(host, namespace).name.endsWith('-canary') ? rules.loadtestRps : 0;
      const count = (rules.rps * share + loadtest) * seconds;
      if (!deployment || count === 0) return [];
      const { namespace: home = '', name: workload } = deployment.metadata;
      return [{ namespace: home, workload, count, ...manners(imageOf(deployment), rules) }];
    });
  });
}

/** The available Deployment whose pods the Service behind a host selects. */
function deploymentBehind(
  services: MeshView['services'],
  deployments: ReadonlyMap<string | undefined, readonly KubernetesObject[]>,
  host: string,
  from: string,
): KubernetesObject | undefined {
  const { namespace, name } = serviceOf(host, from);
  const service = services.get(`${namespace}/${name}`)?.spec as { selector?: Record<string, string> } | undefined;
  const selector = Object.entries(service?.selector ?? {});
  if (selector.length === 0) return undefined;
  return deployments.get(namespace)?.find((deployment) => {
    const { availableReplicas = 0 } = (deployment.status ?? {}) as { availableReplicas?: number };
    const labels = templateOf(deployment).metadata?.labels ?? {};
    const selected = selector.every(([label, value]) => labels[label] === value);
    return availableReplicas > 0 && selected;
  });
}

/**
 * How an image answers: a tag with `-err25` makes a quarter of the answers 500, `-lat900` makes an answer take 900 ms;
 * otherwise none fails and each takes 40 ms.
 */
export function manners(image: string, { images }: Pick<TrafficRules, 'images'>) {
  const [named = ''] = image.split('@');
  const tag = named.slice(named.lastIndexOf(':') + 1);
  const percent = /-err(\d+)/.exec(tag)?.[1];
  const delay = /-lat(\d+)/.exec(tag)?.[1];
  const rule = images.findLast(({ match }) => new RegExp(match).test(image));
  return {
    errorRate: rule?.errorRate ?? (percent === undefined ? 0 : Math.min(1, Number(percent) / 100)),
    latencyMs: rule?.latencyMs ?? (delay === undefined ? 40 : Number(delay)),
  };
}

function imageOf(deployment: KubernetesObject): string {
  return templateOf(deployment).spec?.containers?.[0]?.image ?? '';
}

interface Template {
  readonly metadata?: { readonly labels?: Readonly<Record<string, string>> };
  readonly spec?: { readonly containers?: readonly { readonly image?: string }[] };
}

function templateOf(deployment: KubernetesObject): Template {
  return (deployment.spec as { template?: Template } | undefined)?.template ?? {};
}
