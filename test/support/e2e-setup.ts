import { mkdtempSync, writeFileSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { auditFlags } from '../../local/audit.ts';
import { serveControl, type StackDescription } from '../../local/control.ts';
import { freePort } from '../../local/ports.ts';
import { planPushRoute, startSerin } from '../../local/serin.ts';
import { startStack, type Stack } from '../../local/stack.ts';
import { createKubernetes, loadKubeConfig } from '../../src/clients/kubernetes-client.ts';
import { serveCollector, tracesIn } from './collector.ts';
import { issuerOf } from './issuer.ts';
import { install } from './manifests.ts';
import { serinUsers } from './serin-users.ts';
import { atTeardown, say } from './teardown.ts';

/**
 * The whole local stack with worker, starter and load tester, once for each process that Jest runs end-to-end tests in:
 * they kill servers, and mostly wait. `SERIN_TEST_STACK` describes them as a JSON list; `openCluster` and `openStack`
 * (cluster.ts) read it. Servers are killed and started again through the control interface of a stack. The one of
 * `node local/up.ts` is used instead when `SERIN_TEST_STACK` describes it already; then `--runInBand` is needed.
 */
export default async function setUp({ maxWorkers }: { readonly maxWorkers: number }): Promise<void> {
  if (process.env.SERIN_TEST_STACK) return;
  const stacks = Array.from({ length: maxWorkers }, (_, index) =>
    startOne(maxWorkers === 1 ? say : (line) => say(`${index + 1}: ${line}`)),
  );
  process.env.SERIN_TEST_STACK = JSON.stringify(await Promise.all(stacks));
}

async function startOne(progress: (line: string) => void): Promise<StackDescription> {
  const directory = mkdtempSync(join(tmpdir(), 'serin-e2e-'));
  atTeardown(() => rm(directory, { recursive: true, force: true }));
  const route = await planPushRoute();
  const stack = await startStack({
    ports: { registry: route.registryPort },
    pushListeners: [route.listener],
    progress,
    directory,
    users: serinUsers,
    // So that a test can tell what Serin asks for from what controllers and tests do.
    extraArgs: { 'kube-apiserver': auditFlags(directory, serinUsers) },
  });
  atTeardown(() => stack.stop());
  await grantRights(stack);
  const temporalMetrics = `127.0.0.1:${await freePort()}`;
  const collector = await serveCollector(tracesIn(directory));
  atTeardown(() => collector.close());
  const as = (name: string) => ({ SERIN_KUBECONFIG: stack.kubeconfigs[name] ?? stack.kubeconfig });
  const serin = await startSerin(stack, {
    ...{ route, minimumIntervalMs: 1_000, drainMs: 500, receivers: receivers(route.registryPort) },
    env: { OTEL_EXPORTER_OTLP_ENDPOINT: collector.url, OTEL_BSP_SCHEDULE_DELAY: '500' },
    envOf: {
      worker: {
        ...{ ...as('worker'), ...auditing(directory), ...(await believing(directory)) },
        SERIN_TEMPORAL_METRICS: temporalMetrics,
      },
      starter: as('starter'),
    },
  });
  atTeardown(() => serin.stop());
  stack.scrape('serin', [...serin.metrics, temporalMetrics]);
  const control = await serveControl(stack, serin);
  atTeardown(() => control.close());
  return control.description;
}

/** Senders that tests play, about the stack's own registry, whatever it is called in pod templates. */
function receivers(registryPort: number): Readonly<Record<string, object>> {
  const registry = { url: `http://127.0.0.1:${registryPort}`, private: true };
  const harbor = { type: 'harbor', auth: { scheme: 'bearer' }, patienceSeconds: 5 };
  return {
    harbor,
    'harbor-replica': harbor,
    ghcr: { type: 'ghcr', host: 'ghcr.io', registry, patienceSeconds: 5 },
    acr: { type: 'aliyun-trigger', host: 'acme-registry.cn-hangzhou.cr.aliyuncs.com', registry, patienceSeconds: 5 },
  };
}

/** What happens in runs is kept in a folder of the stack's. */
function auditing(directory: string): { readonly SERIN_AUDIT_SINK: string } {
  return { SERIN_AUDIT_SINK: pathToFileURL(join(directory, 'audit')).href };
}

/** Tokens of an issuer that a test may be: the file says where. */
async function believing(directory: string): Promise<{ readonly SERIN_TOKEN_ISSUERS: string }> {
  const path = join(directory, 'issuers.json');
  writeFileSync(path, JSON.stringify([issuerOf(await freePort())]));
  return { SERIN_TOKEN_ISSUERS: path };
}

/** Worker and starter get the rights that an installation gives them, and no others. */
async function grantRights({ kubeconfig }: Stack): Promise<void> {
  const kubernetes = createKubernetes(loadKubeConfig(kubeconfig), { fieldManager: 'install' });
  for (const object of install().filter(({ kind }) => kind.startsWith('ClusterRole'))) {
    const { apiVersion, kind } = object;
    await kubernetes.apply({ apiVersion, kind, plural: `${kind.toLowerCase()}s` }, object, 'install', true);
  }
}
