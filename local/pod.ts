#!/usr/bin/env node
import { spawn } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { constants, tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { stringify } from 'yaml';
import { createKubernetes, loadKubeConfig } from '../src/clients/kubernetes-client.ts';
import { resources, type Kubernetes } from '../src/clients/kubernetes.ts';
import { messageOf } from '../src/errors.ts';
import { freePort } from './ports.ts';

/**
 * Runs the container of a Deployment as a process of this machine: `node local/pod.ts <namespace>/<deployment> [<folder>]`.
 * For clusters whose nodes run nothing. As a kubelet would, it takes command, environment and files from the Deployment
 * and what that names, and a token of its service account and no other right. What differs: files of volumes are in a
 * folder of the pod's own and not at the root, and it listens on 127.0.0.1, at ports that are free.
 *
 * The folder is where the image's would be: the one with `dist`, this checkout if none is given.
 */

interface Named {
  readonly name: string;
  readonly optional?: boolean;
}

interface Variable {
  readonly name: string;
  readonly value?: string;
  readonly valueFrom?: {
    readonly secretKeyRef?: Named & { readonly key: string };
    readonly configMapKeyRef?: Named & { readonly key: string };
  };
}

interface Container {
  readonly command?: readonly string[];
  readonly args?: readonly string[];
  readonly env?: readonly Variable[];
  readonly envFrom?: readonly { readonly configMapRef?: Named; readonly secretRef?: Named }[];
  readonly volumeMounts?: readonly { readonly name: string; readonly mountPath: string }[];
}

interface PodSpec {
  readonly serviceAccountName?: string;
  readonly automountServiceAccountToken?: boolean;
  readonly containers: readonly [Container];
  readonly volumes?: readonly {
    readonly name: string;
    readonly secret?: { readonly secretName: string };
    readonly configMap?: { readonly name: string };
  }[];
}

/** What a process has to be started with. */
interface Launch {
  readonly command: readonly string[];
  readonly env: Record<string, string>;
}

/** Reads a Deployment and what it names, and writes its files into `directory`. */
async function prepare(kubernetes: Kubernetes, namespace: string, name: string, directory: string): Promise<Launch> {
  const found = await kubernetes.get(resources.deployments, namespace, name);
  if (!found) throw new Error(`there is no Deployment ${namespace}/${name}`);
  const { spec } = (found.spec as { readonly template: { readonly spec: PodSpec } }).template;
  const [container] = spec.containers;
  const data = (kind: 'configMaps' | 'secrets', ref: Named) => dataOf(kubernetes, kind, namespace, ref);

  const env: Record<string, string> = {};
  for (const { configMapRef, secretRef } of container.envFrom ?? []) {
    if (configMapRef) Object.assign(env, texts(await data('configMaps', configMapRef)));
    if (secretRef) Object.assign(env, texts(await data('secrets', secretRef)));
  }
  for (const { name: variable, value = '', valueFrom } of container.env ?? []) {
    const [kind, ref] = valueFrom?.secretKeyRef
      ? (['secrets', valueFrom.secretKeyRef] as const)
      : (['configMaps', valueFrom?.configMapKeyRef] as const);
    env[variable] = ref ? ((await data(kind, ref)).get(ref.key)?.toString('utf8') ?? '') : value;
  }

  // Paths in settings and files are those of a container; here they lead into the folder.
  const here = (path: string) => join(directory, path);
  const mounts = (container.volumeMounts ?? []).map(({ mountPath }) => mountPath);
  const moved = (text: string) => mounts.reduce((moving, path) => moving.replaceAll(path, here(path)), text);
  for (const { name: volume, mountPath } of container.volumeMounts ?? []) {
    mkdirSync(here(mountPath), { recursive: true });
    const source = spec.volumes?.find((one) => one.name === volume);
    const files = source?.secret
      ? await data('secrets', { name: source.secret.secretName })
      : source?.configMap
        ? await data('configMaps', source.configMap)
        : new Map<string, Buffer>();
    for (const [file, content] of files)
      writeFileSync(join(here(mountPath), file), moved(content.toString('utf8')), { mode: 0o600 });
  }
  const words = [...(container.command ?? []), ...(container.args ?? [])];
  const settings = Object.fromEntries(Object.entries(env).map(([key, value]) => [key, moved(value)]));
  return { command: words, env: { ...settings, ...(await identity(kubernetes, namespace, spec, directory)) } };
}

/** A kubeconfig with a token of the pod's service account, as long as a day. */
async function identity(
  kubernetes: Kubernetes,
  namespace: string,
  { serviceAccountName = 'default', automountServiceAccountToken = true }: PodSpec,
  directory: string,
): Promise<Record<string, string>> {
  if (!automountServiceAccountToken) return {};
  const token = await kubernetes.create(
    { apiVersion: 'v1', kind: 'TokenRequest', plural: `serviceaccounts/${serviceAccountName}/token` },
    {
      ...{ apiVersion: 'authentication.k8s.io/v1', kind: 'TokenRequest' },
      metadata: { name: serviceAccountName, namespace },
      spec: { expirationSeconds: 86_400 },
    },
  );
  const cluster = loadKubeConfig(process.env.KUBECONFIG).getCurrentCluster()!;
  const path = join(directory, 'kubeconfig');
  const config = {
    ...{ apiVersion: 'v1', kind: 'Config', 'current-context': 'pod' },
    clusters: [{ name: 'pod', cluster: { server: cluster.server, 'certificate-authority-data': cluster.caData } }],
    users: [{ name: 'pod', user: { token: (token.status as { token: string }).token } }],
    contexts: [{ name: 'pod', context: { cluster: 'pod', user: 'pod', namespace } }],
  };
  writeFileSync(path, stringify(config), { mode: 0o600 });
  return { KUBECONFIG: path };
}

async function dataOf(
  kubernetes: Kubernetes,
  kind: 'configMaps' | 'secrets',
  namespace: string,
  { name, optional = false }: Named,
): Promise<ReadonlyMap<string, Buffer>> {
  const found = await kubernetes.get(resources[kind], namespace, name);
  if (!found && !optional) throw new Error(`there is no ${resources[kind].kind} ${namespace}/${name}`);
  const encoding = kind === 'secrets' ? 'base64' : 'utf8';
  const data = (found?.data ?? {}) as Readonly<Record<string, string>>;
  return new Map(Object.entries(data).map(([key, value]) => [key, Buffer.from(value, encoding)]));
}

function texts(data: ReadonlyMap<string, Buffer>): Record<string, string> {
  return Object.fromEntries([...data].map(([key, value]) => [key, value.toString('utf8')]));
}

/** A pod has an address of its own; processes of one machine share theirs. */
async function listening(env: Readonly<Record<string, string>>): Promise<Record<string, string>> {
  const own: Record<string, string> = { SERIN_HOST: '127.0.0.1' };
  for (const name of ['SERIN_PORT', 'SERIN_HEALTH_PORT', 'SERIN_HOOKS_PORT'])
    if (env[name] !== undefined) own[name] = String(await freePort());
  if (env.SERIN_TEMPORAL_METRICS !== undefined) own.SERIN_TEMPORAL_METRICS = `127.0.0.1:${await freePort()}`;
  return own;
}

async function main([target = '', folder]: readonly string[]): Promise<void> {
  const [namespace = '', name = ''] = target.split('/');
  if (name === '')
    throw new Error('name a Deployment: node local/pod.ts <namespace>/<deployment> [<folder with dist>]');
  const app = folder ?? fileURLToPath(new URL('..', import.meta.url));
  if (!existsSync(join(app, 'dist'))) throw new Error(`there is no dist in ${app}: npm run build`);
  const kubernetes = createKubernetes(loadKubeConfig(process.env.KUBECONFIG), { fieldManager: 'pod' });
  const directory = mkdtempSync(join(tmpdir(), `pod-${name}-`));
  process.on('exit', () => rmSync(directory, { recursive: true, force: true }));
  const launch = await prepare(kubernetes, namespace, name, directory);
  const own = await listening(launch.env);
  const [program = 'node', ...args] = launch.command;
  // Where an image has its Node on the path, this is ours.
  const command = program === 'node' ? process.execPath : program;
  console.error(
    `${target}: ${[program, ...args].join(' ')} on ${Object.entries(own)
      .map(([key, value]) => `${key}=${value}`)
      .join(' ')}`,
  );
  const path = `${dirname(process.execPath)}:${process.env.PATH ?? ''}`;
  const child = spawn(command, args, {
    cwd: app,
    env: { PATH: path, HOME: directory, ...launch.env, ...own },
    stdio: 'inherit',
  });
  for (const signal of ['SIGTERM', 'SIGINT'] as const) process.on(signal, () => child.kill(signal));
  child.on('error', (error) => {
    console.error(messageOf(error));
    process.exit(1);
  });
  child.on('exit', (code, signal) => process.exit(code ?? 128 + (signal ? constants.signals[signal] : 0)));
}

try {
  await main(process.argv.slice(2));
} catch (error) {
  console.error(messageOf(error));
  process.exitCode = 1;
}
