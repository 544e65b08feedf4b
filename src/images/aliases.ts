import type { ImageReference } from './reference.ts';

/** A registry, and what else its images are called in pod templates. */
export interface RegistryNames {
  /** Canonical. */
  readonly host: string;
  /** Canonical hosts of the same registry. */
  readonly hostAliases: readonly string[];
  /** Copies of registries: a reference that begins with `from` means one that begins with `to`, as in `docker.io`. */
  readonly mirrors?: readonly { readonly from: string; readonly to: string }[];
}

/**
 * Names that Alibaba Cloud gives a registry inside its networks, and what they are called outside. Workloads use the
 * inner name, events imply the outer one. Source: Alibaba Cloud, "Endpoints" of the editions.
 */
const builtIn: readonly (readonly [RegExp, string])[] = [
  [/^registry-(?:vpc|internal)\.([a-z0-9-]+)\.aliyuncs\.com$/, 'registry.$1.aliyuncs.com'],
  [/^(crpi-[a-z0-9]+)-vpc\.([a-z0-9-]+)\.personal\.cr\.aliyuncs\.com$/, '$1.$2.personal.cr.aliyuncs.com'],
  [/^([a-z0-9-]+)-registry-vpc\.([a-z0-9-]+)\.cr\.aliyuncs\.com$/, '$1-registry.$2.cr.aliyuncs.com'],
];

/** The outer name of a canonical host. */
export function outerHost(host: string): string {
  for (const [inner, outer] of builtIn) if (inner.test(host)) return host.replace(inner, outer);
  return host;
}

/** Whether a canonical host is a name of this registry. */
export function isHostOf({ host, hostAliases }: RegistryNames, name: string): boolean {
  const outer = outerHost(name);
  return outer === outerHost(host) || hostAliases.some((alias) => outerHost(alias) === outer);
}

/** The path of an image inside a registry, or undefined when it is in another one. */
export function repositoryIn(
  names: RegistryNames,
  image: Pick<ImageReference, 'host' | 'repository'>,
): string | undefined {
  if (isHostOf(names, image.host)) return image.repository;
  const written = `${image.host}/${image.repository}`;
  for (const { from, to } of names.mirrors ?? []) {
    if (!written.startsWith(`${from}/`)) continue;
    const [host = '', ...path] = `${to}/${written.slice(from.length + 1)}`.split('/');
    if (isHostOf(names, host)) return path.join('/');
  }
  return undefined;
}

/** Token services of registries that have them elsewhere. Sources: the registries' own challenges. */
export function authHostsOf(host: string): readonly string[] {
  if (host === 'docker.io') return ['auth.docker.io'];
  const region = /\.([a-z0-9-]+)\.(?:(?:personal\.)?cr\.)?aliyuncs\.com$/.exec(outerHost(host))?.[1];
  return region === undefined ? [] : ['dockerauth', 'dockerauth-vpc'].map((name) => `${name}.${region}.aliyuncs.com`);
}
