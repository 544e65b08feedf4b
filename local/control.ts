import { createServer, type IncomingMessage } from 'node:http';
import { messageOf } from '../src/errors.ts';
import { freePort } from './ports.ts';
import type { Server } from './process.ts';
import type { PushListener } from './servers/registry.ts';
import type { ProcessName, Serin } from './serin.ts';
import type { ServerName, Stack } from './stack.ts';
import type { TrafficRules } from './traffic/source.ts';

/** Where everything is, as JSON: what a process that did not start the stack has to know to use it. */
export type StackDescription = Pick<
  Stack,
  'directory' | 'kubeconfig' | 'kubeconfigs' | 'prometheus' | 'registry' | 'temporal' | 'temporalUi'
> & {
  /** URL of the control interface. */
  readonly control: string;
  /** Servers that can be stopped, killed and started again. */
  readonly servers: readonly Controllable[];
  /** URL that Canary webhooks call; '' when our own processes do not run. */
  readonly loadTester: string;
  /** Where receivers are; '' when there are none. */
  readonly hooks: string;
};

/** The servers of the stack, and our own processes. */
export type Controllable = ServerName | ProcessName;

/**
 * What may be done to a stack from another process. After an outage of the API server that lasts longer than a few
 * seconds, Kubernetes' own controllers wait up to a minute before they look again (client-go's back-off); a test that does
 * not want to wait that long restarts `kube-controller-manager`, `kube-scheduler` and `kwok` as well.
 */
export interface RemoteStack extends StackDescription {
  server(name: Controllable): Pick<Server, 'stop' | 'kill' | 'restart'>;
  setTraffic(rules: Partial<TrafficRules>, namespace?: string): Promise<void>;
  scrape(job: string, addresses: readonly string[]): Promise<void>;
  notifyPushes(listeners: readonly PushListener[]): Promise<void>;
}

/**
 * Lets other processes of this machine handle the stack: `POST /servers/<name>/stop|restart|kill?signal=SIGKILL`,
 * `POST /traffic?namespace=…` with rules, `POST /scrape?job=…` with addresses, `POST /push-listeners` with listeners. Each answers when it is done.
 */
export async function serveControl(
  stack: Stack,
  serin?: Serin,
): Promise<{ readonly description: StackDescription; close(): Promise<void> }> {
  const port = await freePort();
  const servers = new Map<string, Server>([...stack.servers, ...Object.entries(serin?.processes ?? {})]);
  const server = createServer((request, response) => {
    act(stack, servers, request).then(
      () => response.writeHead(204).end(),
      (error: unknown) => response.writeHead(400).end(messageOf(error)),
    );
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, '127.0.0.1', resolve);
  });
  const { directory, kubeconfig, kubeconfigs, prometheus, registry, temporal, temporalUi } = stack;
  return {
    description: {
      ...{ directory, kubeconfig, kubeconfigs, prometheus, registry, temporal, temporalUi },
      control: `http://127.0.0.1:${port}`,
      servers: [...servers.keys()] as Controllable[],
      loadTester: serin?.loadTester ?? '',
      hooks: serin?.hooks ?? '',
    },
    async close() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

/** The stack that a description is of. */
export function connectStack(description: StackDescription): RemoteStack {
  const post = async (path: string, query: Record<string, string | undefined> = {}, body: unknown = {}) => {
    const url = new URL(path, description.control);
    for (const [key, value] of Object.entries(query)) if (value !== undefined) url.searchParams.set(key, value);
    const response = await fetch(url, { method: 'POST', body: JSON.stringify(body) });
    if (!response.ok) throw new Error(`POST ${url.pathname}: ${await response.text()}`);
  };
  return {
    ...description,
    server: (name) => ({
      stop: (patienceMs) => post(`/servers/${name}/stop`, { patienceMs: patienceMs?.toString() }),
      kill: (signal) => post(`/servers/${name}/kill`, { signal }),
      restart: () => post(`/servers/${name}/restart`),
    }),
    setTraffic: (rules, namespace) => post('/traffic', { namespace }, rules),
    scrape: (job, addresses) => post('/scrape', { job }, addresses),
    notifyPushes: (listeners) => post('/push-listeners', {}, listeners),
  };
}

async function act(stack: Stack, servers: ReadonlyMap<string, Server>, request: IncomingMessage): Promise<void> {
  const url = new URL(request.url ?? '/', 'http://control');
  const query = (name: string) => url.searchParams.get(name) ?? undefined;
  const [, noun, name, verb] = url.pathname.split('/');
  const what = `${request.method} ${noun}${verb ? `/${verb}` : ''}`;
  switch (what) {
    case 'POST servers/stop':
      return serverOf(servers, name).stop(query('patienceMs') ? Number(query('patienceMs')) : undefined);
    case 'POST servers/kill':
      return serverOf(servers, name).kill(query('signal') as NodeJS.Signals | undefined);
    case 'POST servers/restart':
      return serverOf(servers, name).restart();
    case 'POST traffic': {
      if (!stack.traffic) throw new Error('this stack has no traffic of its own to adjust');
      return stack.traffic.set((await bodyOf(request)) as Partial<TrafficRules>, query('namespace'));
    }
    case 'POST scrape':
      return stack.scrape(query('job') ?? 'local', (await bodyOf(request)) as string[]);
    case 'POST push-listeners':
      return stack.notifyPushes((await bodyOf(request)) as PushListener[]);
    default:
      throw new Error(`${what} is not something a stack can do`);
  }
}

function serverOf(servers: ReadonlyMap<string, Server>, name = ''): Server {
  const server = servers.get(name);
  if (!server) throw new Error(`no server ${name} was started here; there are: ${[...servers.keys()].join(', ')}`);
  return server;
}

async function bodyOf(request: IncomingMessage): Promise<unknown> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  return JSON.parse(Buffer.concat(chunks).toString('utf8'));
}
