import { existsSync } from 'node:fs';
import { describe, expect, it } from '@jest/globals';
import { parse } from 'yaml';
import { tools } from '../../local/tools.ts';
import { imageSettings } from '../../src/images/settings.ts';
import { parseCanary } from '../../src/schemas/canary.ts';
import { loadReceivers } from '../../src/triggers/receivers.ts';
import { documentedVariables, objectsIn, read } from '../support/manifests.ts';

interface Service {
  readonly image: string;
  readonly build?: { readonly target: string };
  readonly command?: readonly string[];
  readonly environment?: Readonly<Record<string, string>>;
  readonly ports?: readonly string[];
  readonly volumes?: readonly string[];
  readonly network_mode?: string;
  readonly depends_on?: Readonly<Record<string, { readonly condition: string }>>;
  readonly healthcheck?: { readonly test: readonly string[] };
}

const compose = parse(read('docker-compose.yml'), { merge: true }) as {
  readonly services: Readonly<Record<string, Service>>;
  readonly volumes: Readonly<Record<string, null>>;
};
const services = Object.entries(compose.services);
const ours = services.filter(([, { build }]) => build);

describe('the system on a laptop', () => {
  it('has every part', () => {
    expect(Object.keys(compose.services).sort()).toEqual([
      'kubernetes',
      'loadtester',
      'prometheus',
      'registry',
      'setup',
      'starter',
      'temporal',
      'worker',
    ]);
  });

  it.each(services)('%s has a fixed version', (_, { image }) => {
    expect(image).toMatch(/:v?\d+\.\d+\.\d+(-[a-z0-9]+)?$/);
  });

  it('runs the versions that the local stack is tested with', () => {
    expect(compose.services.temporal!.image).toBe(`temporalio/temporal:${tools.temporal.version}`);
    expect(compose.services.kubernetes!.image).toBe(`rancher/k3s:v${tools['kube-apiserver'].version}-k3s1`);
    expect(compose.services.setup!.image).toBe(compose.services.kubernetes!.image);
  });

  it.each(services)('%s is reachable from this machine alone', (_, { ports = [] }) => {
    for (const port of ports) expect(port).toMatch(/^127\.0\.0\.1:\d+:\d+$/);
  });

  it.each(services)('%s mounts only what exists', (_, { volumes = [] }) => {
    for (const [source = ''] of volumes.map((volume) => volume.split(':'))) {
      const exists = source.startsWith('./')
        ? existsSync(new URL(`../../${source}`, import.meta.url))
        : source in compose.volumes;
      expect([source, exists]).toEqual([source, true]);
    }
  });

  it.each(services)('%s waits only for services that exist and that can say they are ready', (_, service) => {
    const host = service.network_mode?.replace('service:', '');
    if (host !== undefined) expect(compose.services).toHaveProperty(host);
    for (const [name, { condition }] of Object.entries(service.depends_on ?? {})) {
      expect(compose.services).toHaveProperty(name);
      if (condition === 'service_healthy') expect(compose.services[name]!.healthcheck).toBeDefined();
      else expect(condition).toBe('service_completed_successfully');
    }
  });

  it.each(ours)('%s starts a program that the build makes', (_, { command = [], build }) => {
    expect(command.slice(0, 1)).toEqual(['node']);
    expect(existsSync(sourceOf(command[1]!))).toBe(true);
    expect(read('Dockerfile')).toMatch(new RegExp(`^FROM \\S+ AS ${build!.target}$`, 'm'));
  });

  it.each(ours)('%s is given only variables that docs/reference/settings.md explains', (_, { environment = {} }) => {
    const known = documentedVariables();
    expect(Object.keys(environment).filter((name) => !known.has(name))).toEqual([]);
  });

  it('lets Prometheus scrape what is there', () => {
    const { scrape_configs } = parse(read('deploy/compose/prometheus.yml')) as {
      scrape_configs: { static_configs?: { targets: string[] }[] }[];
    };
    const targets = scrape_configs.flatMap(({ static_configs = [] }) =>
      static_configs.flatMap(({ targets }) => targets),
    );
    expect(targets.map((target) => target.split(':')[0])).toEqual(ours.map(([name]) => name));
  });
});

describe('a push to the laptop’s registry', () => {
  const { notifications } = parse(read('deploy/compose/registry.yml')) as {
    notifications: { endpoints: [{ url: string; headers: { Authorization: [string] } }] };
  };
  const [endpoint] = notifications.endpoints;
  const path = new URL('../../deploy/compose/receivers.json', import.meta.url).pathname;

  it('reaches a receiver of the starter, with its token', async () => {
    const [receiver] = await loadReceivers(path);
    const port = compose.services.starter!.environment!.SERIN_HOOKS_PORT;
    expect(endpoint.url).toBe(`http://starter:${port}/hooks/v1/${receiver!.name}`);
    expect(endpoint.headers.Authorization).toEqual([`Bearer ${read('deploy/compose/hook-token').trim()}`]);
    expect(read('deploy/compose/receivers.json')).toContain(mountOf('starter', 'hook-token'));
  });

  it('is about a host that the cluster pulls from', async () => {
    const [receiver] = await loadReceivers(path);
    const { mirrors } = parse(read('deploy/compose/registries.yaml')) as { mirrors: Record<string, unknown> };
    expect(Object.keys(mirrors)).toEqual([receiver!.host]);
    expect(receiver!.registry.url).toBe(`http://${receiver!.host}`);
  });

  it('releases the demo', () => {
    const objects = objectsIn('deploy/compose/demo.yaml');
    const canary = objects.find(({ kind }) => kind === 'Canary')!;
    expect(parseCanary(canary)).toHaveProperty('canary');
    expect(imageSettings(canary)).toMatchObject({
      settings: { policies: [{ slot: { kind: 'container', name: 'podinfod' } }] },
    });
    const { spec } = canary as unknown as { spec: { analysis: { webhooks: { url: string }[] } } };
    for (const { url } of spec.analysis.webhooks) expect(compose.services).toHaveProperty(new URL(url).hostname);
  });
});

function sourceOf(built: string): URL {
  return new URL(`../../${built.replace(/^dist\//, 'src/').replace(/\.js$/, '.ts')}`, import.meta.url);
}

/** Where a file of deploy/compose is inside a container. */
function mountOf(service: string, file: string): string {
  const volume = compose.services[service]!.volumes!.find((text) => text.startsWith(`./deploy/compose/${file}:`));
  return volume!.split(':')[1]!;
}
