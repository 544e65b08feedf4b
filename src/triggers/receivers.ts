import { readFile } from 'node:fs/promises';
import { z } from 'zod';
import { createHttp, type Http } from '../clients/http.ts';
import { failure } from '../errors.ts';
import { authHostsOf } from '../images/aliases.ts';
import type { RegistryBinding } from '../images/binding.ts';
import { canonicalHost } from '../images/reference.ts';
import type { Credentials, RegistryAccess } from '../images/registry.ts';
import { readJsonFile } from '../json-file.ts';
import { Auth, credentialOf, hasSecretAddress } from './credentials/index.ts';
import { capabilityToken, isAddress } from './credentials/capability.ts';
import type { Credential } from './credentials/credential.ts';
import { triggers } from './index.ts';
import type { Trigger } from './trigger.ts';

const Host = z.string().transform((text, context) => {
  const host = canonicalHost(text);
  if (host !== undefined) return host;
  context.addIssue({ code: 'custom', message: `"${text}" is not a registry host such as registry.example.com:5000` });
  return z.NEVER;
});

/** `host[/path]` in canonical spelling. */
const Prefix = z.string().regex(/^[a-z0-9.-]+(?::[0-9]+)?(?:\/[a-z0-9._-]+)*$/, 'host[:port][/path], in lower case');

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
    /** It has an address in a private network; otherwise a name that leads into one is not followed. */
    private: z.boolean().default(false),
    /** Most requests a second. */
    perSecond: z.number().positive().max(1_000).default(10),
  })
  .refine((registry) => !registry.url || !URL.parse(registry.url)?.password, 'url must not carry a password');

const ReceiverConfig = z
  .strictObject({
    /** Last part of its URL, `/hooks/v1/<name>`. */
    name: z.string().regex(/^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$/, 'lower-case letters, digits and "-", up to 63'),
    type: z.string().refine((type) => triggers.has(type), `not one of ${[...triggers.keys()].join(', ')}`),
    /** The registry as pod templates name it. */
    host: Host.optional(),
    /** Other names of the same registry in pod templates. */
    hostAliases: z.array(Host).default([]),
    /** Copies of the registry whose images count as its own: how their references begin, and what that stands for. */
    mirrors: z.array(z.strictObject({ from: Prefix, to: Prefix })).default([]),
    auth: Auth.prefault({}),
    /** What this kind of sender needs beside. */
    options: z.unknown().optional(),
    /** Where the CloudEvents handshake may come from. Consent is given by name. */
    origins: z
      .array(z.string().regex(/^[A-Za-z0-9.-]{1,255}(?::[0-9]{1,5})?$/, 'a host such as eventgrid.azure.net, not "*"'))
      .default([]),
    /** It is no more, on purpose: callers hear 410. */
    retired: z.boolean().default(false),
    /** Most calls a second. */
    perSecond: z.number().positive().max(10_000).default(50),
    /** A registry that does not answer for two minutes: take the digest that a signed message names. */
    allowPayloadDigest: z.boolean().default(false),
    /** Secrets of the sender, one a line; several allow for rotation. */
    tokensFile: z.string().optional(),
    /** Environment variable with such secrets, separated by line breaks or, where none holds one, by commas or blanks. */
    tokensEnv: z.string().optional(),
    /** Repositories whose pushes count; `*` stays within a path segment, `**` does not. */
    repositories: z.array(z.string().regex(/^[a-z0-9._*/-]+$/, 'a path such as shop/* or **')).min(1),
    /** Namespaces whose Canaries it may change; `*` for all. */
    namespaces: z.array(z.string().min(1)).min(1),
    /** Time to let several tags of one build arrive, in seconds. */
    settleSeconds: z.number().min(0).max(600).default(5),
    /** How long the registry may not know a tag yet, or say something else than the event did, in seconds. */
    patienceSeconds: z.number().min(0).max(3_600).default(120),
    registry: Registry.prefault({}),
  })
  .superRefine((receiver, context) => {
    const trigger = triggers.get(receiver.type);
    if (!trigger) return;
    const problem = (field: string, message: string) => context.addIssue({ code: 'custom', path: [field], message });
    if (receiver.host === undefined && trigger.host === undefined) problem('host', 'is missing');
    if (receiver.host !== undefined && trigger.host !== undefined && receiver.host !== trigger.host)
      problem('host', `a sender of type ${receiver.type} tells of ${trigger.host} only; leave it out`);
    const scheme = schemeOf(receiver);
    const keyless = scheme === 'none' || (scheme === 'oidc' && !receiver.auth.capability);
    if (!keyless && !receiver.tokensFile && !receiver.tokensEnv) problem('tokensFile', 'needs tokensFile or tokensEnv');
    if (receiver.allowPayloadDigest && !['signature', 'timed-signature', 'eventbridge', 'oidc'].includes(scheme))
      problem('allowPayloadDigest', 'is for senders that sign what they say');
    const kind = trigger.credentials.find(({ scheme: one }) => one === scheme);
    if (kind?.scheme === 'header' && kind.atSecretAddress && !receiver.auth.capability)
      problem('auth', `scheme header of ${receiver.type} needs "capability": true: its token alone proves too little`);
    if (!trigger.options && receiver.options !== undefined)
      problem('options', `a sender of type ${receiver.type} has none`);
  });
type ReceiverConfig = z.output<typeof ReceiverConfig>;

function schemeOf({ type, auth }: { readonly type: string; readonly auth: Auth }): string {
  return auth.scheme ?? triggers.get(type)?.credentials[0].scheme ?? '';
}

/** Fewest characters of a secret of a sender, or of the key of a secret address. */
const shortest = 32;

/** An address that a container registry calls, and what it may cause. Its `host` is what counts, not a payload's. */
export interface Receiver extends RegistryBinding {
  readonly type: string;
  readonly credential: Credential;
  /** The last part of its address is a secret. */
  readonly secretAddress: boolean;
  readonly options: unknown;
  readonly origins: readonly string[];
  readonly retired: boolean;
  readonly perSecond: number;
  readonly allowPayloadDigest: boolean;
  /** How long the registry may lag behind an event, in milliseconds. */
  readonly patienceMs: number;
  /** Whether a path may end so. @throws `Unauthorized` without a usable secret */
  readonly isAddress: (pathToken: string | undefined) => Promise<boolean>;
  /** The address that is told to the sender, as a path. @throws `Unauthorized` without a usable secret */
  readonly address: () => Promise<string>;
}

export interface LoadOptions {
  readonly env?: Readonly<Record<string, string | undefined>>;
  /** Where keys and certificates of senders come from. */
  readonly http?: Http;
  /** Milliseconds since 1970. */
  readonly now?: () => number;
}

/**
 * Reads a receivers file: a JSON array. Starter and worker read the same one, the starter for who may call, the worker
 * for how to ask the registry.
 *
 * @throws `InvalidSpec` naming the entry and field
 */
export async function loadReceivers(path: string, options: LoadOptions = {}): Promise<readonly Receiver[]> {
  const { env = process.env, http = createHttp(), now = Date.now } = options;
  const configs = await readJsonFile('receivers file', path, z.array(ReceiverConfig));
  const names = configs.map((receiver) => receiver.name);
  const twice = names.find((name, index) => names.indexOf(name) !== index);
  if (twice !== undefined) throw failure('InvalidSpec', `receivers file ${path} has two receivers named ${twice}`);
  return Promise.all(configs.map((config) => receiverOf(config, { env, http, now })));
}

async function receiverOf(config: ReceiverConfig, { env, http, now }: Required<LoadOptions>): Promise<Receiver> {
  const { registry, settleSeconds, patienceSeconds, tokensFile, tokensEnv, auth, name, type, ...rest } = config;
  const trigger = triggers.get(type)!;
  const host = config.host ?? trigger.host!;
  const secrets = async () => {
    const text = await secret(tokensFile, tokensEnv, env);
    // The value of a header may have blanks in it; a token has none.
    const separators = schemeOf(config) === 'header' ? /\r?\n/ : /[\s,]+/;
    const found = text.split(separators).filter((token) => token.trim() !== '');
    if (found.length === 0) throw failure('Unauthorized', `receiver ${name} has no token`);
    // Of a whole header, `Bearer` and its like are no secret.
    if (found.some((token) => token.trim().split(' ').at(-1)!.length < shortest))
      throw failure(
        'Unauthorized',
        `receiver ${name}: a secret in ${tokensFile === undefined ? 'tokensEnv' : 'tokensFile'} has less than ${shortest} characters; make one with: openssl rand -hex 32`,
      );
    return found;
  };
  const deps = { receiver: name, secrets, http, now };
  const secretAddress = hasSecretAddress(trigger.credentials, auth);
  return {
    ...rest,
    name,
    type,
    host,
    options: optionsOf(trigger, config),
    credential: credentialOf(trigger.credentials, auth, deps),
    secretAddress,
    isAddress: async (pathToken) => !secretAddress || isAddress(pathToken, deps, auth),
    address: async () => {
      const [key = ''] = secretAddress ? await secrets() : [];
      return `/hooks/v1/${name}${secretAddress ? `/${capabilityToken(key, name, auth.generation)}` : ''}`;
    },
    settleMs: settleSeconds * 1000,
    patienceMs: patienceSeconds * 1000,
    registry: await accessOf(host, registry, env),
  };
}

function optionsOf({ options: schema }: Trigger, { name, options }: ReceiverConfig): unknown {
  if (!schema) return {};
  const parsed = schema.safeParse(options);
  if (parsed.success) return parsed.data;
  throw failure('InvalidSpec', `receiver ${name}: options are not usable:\n${z.prettifyError(parsed.error)}`);
}

async function accessOf(
  host: string,
  config: ReceiverConfig['registry'],
  env: Readonly<Record<string, string | undefined>>,
): Promise<RegistryAccess> {
  const ca = config.caFile === undefined ? undefined : await readFile(config.caFile, 'utf8');
  return {
    url: config.url ?? `https://${host === 'docker.io' ? 'registry-1.docker.io' : host}`,
    authHosts: [...authHostsOf(host), ...config.authHosts],
    private: config.private,
    perSecond: config.perSecond,
    ...(ca === undefined ? {} : { ca }),
    ...credentialsOf(config, env),
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
