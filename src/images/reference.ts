/**
 * Image references: the grammar that container runtimes use, and one canonical spelling to compare by.
 * Source: CNCF distribution, package `reference`. Pure; nothing here leaves the process.
 */
export interface ImageReference {
  /** Everything before tag and digest, as its author wrote it: what a changed image keeps. */
  readonly name: string;
  /** Canonical registry host, in lower case, with a port unless it is 443. */
  readonly host: string;
  /** Path inside the registry. */
  readonly repository: string;
  /** `latest` when neither tag nor digest is written. */
  readonly tag?: string;
  readonly digest?: string;
}

/** Reads an image as a pod template names it. Upper case in a path is refused, as Kubernetes does. */
export function parseReference(text: string): { readonly reference: ImageReference } | { readonly problem: string } {
  if (text.length === 0 || text.length > 1024) return { problem: 'an image is 1 to 1024 characters long' };
  const [named = '', digest, ...more] = text.split('@');
  if (more.length > 0) return { problem: 'an image has at most one digest' };
  if (digest !== undefined && !isDigest(digest)) return { problem: 'a digest is sha256: and 64 lower-case hex digits' };

  const slash = named.indexOf('/');
  const first = slash < 0 ? '' : named.slice(0, slash);
  const hasHost = /[.:A-Z]/.test(first) || first === 'localhost';
  const host = hasHost ? canonicalHost(first) : 'docker.io';
  if (host === undefined) return { problem: 'the registry host is not a host name or address with an optional port' };

  const rest = hasHost ? named.slice(slash + 1) : named;
  const colon = rest.indexOf(':');
  const path = colon < 0 ? rest : rest.slice(0, colon);
  const tag = colon < 0 ? undefined : rest.slice(colon + 1);
  if (tag !== undefined && !isTag(tag)) return { problem: 'a tag is up to 128 letters, digits, "_", "." and "-"' };
  if (!isRepository(path)) return { problem: 'a repository is lower-case words joined by "/", ".", "_" or "-"' };

  return {
    reference: {
      name: tag === undefined ? named : named.slice(0, named.length - tag.length - 1),
      host,
      repository: canonicalRepository(host, path),
      ...(tag !== undefined ? { tag } : digest === undefined ? { tag: 'latest' } : {}),
      ...(digest === undefined ? {} : { digest }),
    },
  };
}

/** What two references to one repository have in common; compared whole, never by prefix or suffix. */
export function repositoryKey(image: { readonly host: string; readonly repository: string }): string {
  return `${image.host}/${image.repository}`;
}

/** The one spelling of a registry host, or undefined when it is none. */
export function canonicalHost(text: string): string | undefined {
  const host = text.toLowerCase();
  if (!/^(?:[a-z0-9-]+(?:\.[a-z0-9-]+)*|\[[0-9a-f:.]+\])(?::[0-9]{1,5})?$/.test(host)) return undefined;
  if (/(?:^|\.)-|-(?:\.|:|$)/.test(host)) return undefined;
  const bare = host.replace(/:443$/, '');
  return ['index.docker.io', 'registry-1.docker.io'].includes(bare) ? 'docker.io' : bare;
}

/** On Docker Hub a single word stands for `library/<word>`. */
export function canonicalRepository(host: string, path: string): string {
  return host === 'docker.io' && !path.includes('/') ? `library/${path}` : path;
}

export function isRepository(path: string): boolean {
  return path.length <= 255 && path.split('/').every((part) => /^[a-z0-9]+(?:(?:\.|__?|-+)[a-z0-9]+)*$/.test(part));
}

export function isTag(text: string): boolean {
  return /^[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}$/.test(text);
}

export function isDigest(text: string): boolean {
  return /^(?:sha256:[0-9a-f]{64}|sha512:[0-9a-f]{128})$/.test(text);
}

/** Tags that carry signatures, attestations and referrers of an image: cosign's, and the fallback of the OCI referrers API. */
export function isAttachmentTag(tag: string): boolean {
  return /^sha(?:256|512)-[0-9a-f]{64,128}(?:\.[A-Za-z0-9]+)?$/.test(tag);
}
