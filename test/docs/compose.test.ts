import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { beforeAll, describe, expect, it } from '@jest/globals';
import { Ajv, type ValidateFunction } from 'ajv';
import { parse } from 'yaml';
import { provideTool, tools } from '../../local/tools.ts';
import { imageSettings } from '../../src/images/settings.ts';
import { parseCanary } from '../../src/schemas/canary.ts';
import { loadReceivers } from '../../src/triggers/receivers.ts';
import { documentedVariables, objectsIn, read } from '../support/manifests.ts';

interface Service {
  readonly image: string;
  readonly build?: { readonly target: string };
  readonly entrypoint?: readonly string[];
  readonly command?: readonly string[];
  readonly environment?: Readonly<Record<string, string>>;
  readonly ports?: readonly string[];
  readonly volumes?: readonly string[];
  readonly network_mode?: string;
  readonly depends_on?: Readonly<Record<string, { readonly condition: string }>>;
  readonly healthcheck?: { readonly test: readonly string[] };
  readonly restart?: string;
  readonly read_only?: boolean;
  readonly tmpfs?: readonly string[];
  readonly cap_drop?: readonly string[];
  readonly security_opt?: readonly string[];
}

const compose = parse(read('docker-compose.yml'), { merge: true }) as {
  readonly services: Readonly<Record<string, Service>>;
  readonly volumes: Readonly<Record<string, null>>;
};
const services = Object.entries(compose.services);
const ours = services.filter(([, { build }]) => build);
/** What another service waits for the end of. */
const once = new Set(
  services.flatMap(([, { depends_on = {} }]) =>
    Object.keys(depends_on).filter((name) => depends_on[name]!.condition === 'service_completed_successfully'),
  ),
);

describe('docker-compose.yml', () => {
  let validate: ValidateFunction;
  beforeAll(async () => {
    validate = await composeSchema();
  }, 60_000);

  const problems = (file: unknown) =>
    validate(file) ? [] : validate.errors!.map(({ instancePath, message }) => `${instancePath} ${message}`);

  it('is what the compose specification allows', () => {
    expect(problems(parse(read('docker-compose.yml'), { merge: true }))).toEqual([]);
  });

  it.each([
    ['a key that does not exist', { ...compose.services.temporal, healthchek: {} }],
    ['a list in place of a map', { ...compose.services.temporal, healthcheck: [] }],
    ['a condition that does not exist', { image: 'a:1', depends_on: { temporal: { condition: 'service_ready' } } }],
  ])('would be refused for %s', (_, temporal) => {
    expect(problems({ services: { temporal } })).toEqual(
      expect.arrayContaining([expect.stringContaining('/services/temporal')]),
    );
  });
});

describe('the system on a laptop', () => {
  it('has every part', () => {
    expect(Object.keys(compose.services).sort()).toEqual([
      'kubernetes',
      'loadtester',
      'postgresql',
      'prometheus',
      'registry',
      'setup',
      'starter',
      'temporal',
      'temporal-namespace',
      'temporal-schema',
      'temporal-ui',
      'worker',
    ]);
  });

  it.each(services)('%s has a fixed version', (_, { image }) => {
    expect(image).toMatch(/:v?\d+\.\d+(\.\d+)?(-[a-z0-9]+)?$/);
  });

  it('runs the versions that the local stack is tested with', async () => {
    const temporal = await provideTool('temporal', () => undefined);
    const [, server, ui] = /Server ([\d.]+), UI ([\d.]+)/.exec(
      execFileSync(temporal, ['--version'], { encoding: 'utf8' }),
    )!;
    expect(compose.services.temporal!.image).toBe(`temporalio/server:${server}`);
    for (const name of ['temporal-schema', 'temporal-namespace'])
      expect(compose.services[name]!.image).toBe(`temporalio/admin-tools:${server}`);
    expect(compose.services['temporal-ui']!.image).toBe(`temporalio/ui:${ui}`);
    expect(compose.services.registry!.image).toBe(`registry:${tools.registry.version}`);
    expect(compose.services.kubernetes!.image).toBe(`rancher/k3s:v${tools['kube-apiserver'].version}-k3s1`);
    expect(compose.services.setup!.image).toBe(compose.services.kubernetes!.image);
  });

  it('remembers runs for as long as the chart of Temporal does', () => {
    const { namespace } = parse(read('deploy/charts/serin/charts/temporal/values.yaml')) as {
      readonly namespace: { readonly retention: string };
    };
    expect(compose.services['temporal-namespace']!.environment!.RETENTION).toBe(namespace.retention);
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

  it.each(services)('%s says whether it is ready, or runs once and is waited for', (name, { healthcheck }) => {
    // `up --wait` fails for a service that has ended, unless another one waits for just that.
    expect([name, healthcheck !== undefined]).toEqual([name, !once.has(name)]);
  });

  it.each(services.filter(([name]) => !['postgresql', 'kubernetes', 'setup', 'registry', 'prometheus'].includes(name)))(
    '%s writes to /tmp alone, and has no rights on the machine',
    (_, service) => {
      expect(service).toMatchObject({
        read_only: true,
        tmpfs: ['/tmp'],
        cap_drop: ['ALL'],
        security_opt: ['no-new-privileges:true'],
      });
    },
  );

  it('has the addresses that docs/operations.md names', () => {
    const published = services.flatMap(([, { ports = [] }]) => ports.map((port) => port.replace(/:\d+$/, '')));
    const [, text] = read('docs/operations.md').split('## On a laptop');
    for (const [, address] of text!.matchAll(/http:\/\/(127\.0\.0\.1:\d+)/g)) expect(published).toContain(address);
    expect(published).toContain('127.0.0.1:7233');
  });

  it('asks Temporal’s database with one password', () => {
    const { postgresql, temporal, 'temporal-schema': schema } = compose.services;
    const password = postgresql!.environment!.POSTGRES_PASSWORD;
    expect([temporal!.environment!.POSTGRES_PWD, schema!.environment!.SQL_PASSWORD]).toEqual([password, password]);
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

/** The schema of compose files, which says that it is of draft 7 by an address that Ajv does not know. */
async function composeSchema(): Promise<ValidateFunction> {
  const path = await provideTool('compose-schema', () => undefined);
  const { $schema, ...schema } = JSON.parse(readFileSync(path, 'utf8')) as { readonly $schema: string };
  expect($schema).toMatch(/draft-07/);
  return new Ajv({ strict: false, allErrors: true }).compile(schema);
}

function sourceOf(built: string): URL {
  return new URL(`../../${built.replace(/^dist\//, 'src/').replace(/\.js$/, '.ts')}`, import.meta.url);
}

/** Where a file of deploy/compose is inside a container. */
function mountOf(service: string, file: string): string {
  const volume = compose.services[service]!.volumes!.find((text) => text.startsWith(`./deploy/compose/${file}:`));
  return volume!.split(':')[1]!;
}
