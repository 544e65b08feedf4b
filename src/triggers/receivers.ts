import { readFile } from 'node:fs/promises';
import { z } from 'zod';
import { failure } from '../errors.ts';
import { canonicalHost } from '../images/reference.ts';
import { readJsonFile } from '../json-file.ts';
import type { Credentials, RegistryAccess } from '../images/registry.ts';
import { triggers } from './index.ts';

const Host = z.string().transform((text, context) => {
  const host = canonicalHost(text);
  if (host !== undefined) return host;
  context.addIssue({ code: 'custom', message: `"${text}" is not a registry host such as registry.example.com:5000` });
  return z.NEVER;
});

const Registry = z
  .strictObject({
    /** Where the worker reaches the registry, when that is not `https://<host>`. */
    url: z.url({ protocol: /^https?$/ }).optional(),
    username: z.string().optional(),
    passwordFile: z.string().optional(),
    passwordEnv: z.string().optional(),
    tokenFile: z.string().optional(),
    tokenEnv: z.string().optional(),
    /** Hosts besides the registry's own that may hand out tokens. */
    authHosts: z.array(z.string()).default([]),
    caFile: z.string().optional(),
  })
  .refine((registry) => !registry.url || !URL.parse(registry.url)?.password, 'url must not carry a password');

const ReceiverConfig = z
  .strictObject({
    /** Last part of its URL, `/hooks/v1/<name>`. */
    name: z.string().regex(/^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$/, 'lower-case letters, digits and "-", up to 63'),
    type: z.string().refine((type) => triggers.has(type), `not one of ${[...triggers.keys()].join(', ')}`),
    /** The registry as pod templates name it. */
    host: Host,
    /** Other names of the same registry in pod templates. */
    hostAliases: z.array(Host).default([]),
    /** Accepted bearer tokens, one a line; several allow for rotation. */
    tokensFile: z.string().optional(),
    /** Environment variable with accepted tokens, separated by commas or blanks. */
    tokensEnv: z.string().optional(),
    /** Repositories whose pushes count; `*` stays within a path segment, `**` does not. */
    repositories: z.array(z.string().regex(/^[a-z0-9._*/-]+$/, 'a path such as shop/* or **')).min(1),
    /** Namespaces whose Canaries it may change; `*` for all. */
    namespaces: z.array(z.string().min(1)).min(1),
    /** Time to let several tags of one build arrive, in seconds. */
    settleSeconds: z.number().min(0).max(600).default(5),
    registry: Registry.prefault({}),
  })
  .refine((receiver) => receiver.tokensFile || receiver.tokensEnv, 'needs tokensFile or tokensEnv');
type ReceiverConfig = z.infer<typeof ReceiverConfig>;

/** An address that a container registry calls, and what it may cause. */
export interface Receiver {
  readonly name: string;
  readonly type: string;
  /** Canonical; what a payload says about its host is not believed. */
  readonly host: string;
  readonly hostAliases: readonly string[];
  readonly repositories: readonly string[];
  readonly namespaces: readonly string[];
  readonly settleMs: number;
  /** Accepted tokens now. @throws `Unauthorized` when there is none, or one is too short to be a secret */
  readonly tokens: () => Promise<readonly string[]>;
  readonly registry: RegistryAccess;
}

/**
 * Reads a receivers file: a JSON array. Starter and worker read the same one, the starter for who may call, the worker
 * for how to ask the registry.
 *
 * @throws `InvalidSpec` naming the entry and field
 */
export async function loadReceivers(
  path: string,
  env: Readonly<Record<string, string | undefined>> = process.env,
): Promise<readonly Receiver[]> {
  const configs = await readJsonFile('receivers file', path, z.array(ReceiverConfig));
  const names = configs.map((receiver) => receiver.name);
  const twice = names.find((name, index) => names.indexOf(name) !== index);
  if (twice !== undefined) throw failure('InvalidSpec', `receivers file ${path} has two receivers named ${twice}`);
  return Promise.all(configs.map((config) => receiverOf(config, env)));
}

/** Whether a path is on an allow-list of globs. */
export function allows(globs: readonly string[], repository: string): boolean {
  return globs.some((glob) => matches(glob.split('/'), repository.split('/')));
}

async function receiverOf(
  config: ReceiverConfig,
  env: Readonly<Record<string, string | undefined>>,
): Promise<Receiver> {
  const { registry, settleSeconds, tokensFile, tokensEnv, ...rest } = config;
  const ca = registry.caFile === undefined ? undefined : await readFile(registry.caFile, 'utf8');
  return {
    ...rest,
    settleMs: settleSeconds * 1000,
    tokens: async () => {
      const text = await secret(tokensFile, tokensEnv, env);
      const tokens = text.split(/[\s,]+/).filter((token) => token !== '');
      if (tokens.length === 0) throw failure('Unauthorized', `receiver ${config.name} has no token`);
      if (tokens.some((token) => token.length < 16))
        throw failure(
          'Unauthorized',
          `receiver ${config.name}: a token needs at least 16 characters, better 43 random ones`,
        );
      return tokens;
    },
    registry: {
      url: registry.url ?? `https://${config.host === 'docker.io' ? 'registry-1.docker.io' : config.host}`,
      authHosts: config.host === 'docker.io' ? ['auth.docker.io', ...registry.authHosts] : registry.authHosts,
      ...(ca === undefined ? {} : { ca }),
      ...credentialsOf(registry, env),
    },
  };
}

function credentialsOf(
  registry: ReceiverConfig['registry'],
  env: Readonly<Record<string, string | undefined>>,
): { readonly credentials?: () => Promise<Credentials> } {
  const { username, passwordFile, passwordEnv, tokenFile, tokenEnv } = registry;
  if (username !== undefined)
    return { credentials: async () => ({ username, password: (await secret(passwordFile, passwordEnv, env)).trim() }) };
  if (tokenFile ?? tokenEnv)
    return { credentials: async () => ({ token: (await secret(tokenFile, tokenEnv, env)).trim() }) };
  return {};
}

async function secret(
  file: string | undefined,
  variable: string | undefined,
  env: Readonly<Record<string, string | undefined>>,
): Promise<string> {
  const fromEnv = variable === undefined ? undefined : env[variable];
  if (fromEnv !== undefined) return fromEnv;
  if (file === undefined) throw failure('Unauthorized', `environment variable ${variable ?? ''} is not set`);
  try {
    return await readFile(file, 'utf8');
  } catch (error) {
    throw failure('Unauthorized', `cannot read the secret in ${file}`, error);
  }
}

function matches(glob: readonly string[], path: readonly string[]): boolean {
  const [first, ...rest] = glob;
  if (first === undefined) return path.length === 0;
  if (first === '**') return path.some((_, index) => matches(rest, path.slice(index + 1))) || matches(rest, path);
  const [segment, ...others] = path;
  if (segment === undefined) return false;
  const pattern = first
    .split('*')
    .map((part) => part.replace(/[.]/g, '\\.'))
    .join('.*');
  return new RegExp(`^${pattern}$`).test(segment) && matches(rest, others);
}
