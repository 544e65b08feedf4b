#!/usr/bin/env node
import { createHash, randomUUID } from 'node:crypto';
import { gzipSync } from 'node:zlib';
import { messageOf } from '../src/errors.ts';

/** Media types of the OCI image specification. */
const manifestType = 'application/vnd.oci.image.manifest.v1+json';
const indexType = 'application/vnd.oci.image.index.v1+json';
const configType = 'application/vnd.oci.image.config.v1+json';
const layerType = 'application/vnd.oci.image.layer.v1.tar+gzip';

export interface PushOptions {
  /** With two or more, an index is pushed that names a manifest for each, as multi-platform builds do. */
  readonly platforms?: readonly string[];
  /** Goes into the image, so that two pushes with the same content have the same digest. Random if absent. */
  readonly content?: string;
  /** Labels in the image's configuration. */
  readonly labels?: Readonly<Record<string, string>>;
}

export interface PushedImage {
  /** Digest of what the tag names: the index if there is one. */
  readonly digest: string;
  /** Digests of the manifests, one a platform. */
  readonly manifests: readonly string[];
}

/**
 * Pushes a tiny image over a registry's HTTP interface, without any container tool: a configuration, one layer, a
 * manifest, and an index for several platforms. What the registry has already is not sent again.
 *
 * @param registry `host:port`, plain HTTP
 * @throws Error with the registry's answer when it refuses
 * @see https://github.com/opencontainers/distribution-spec/blob/main/spec.md
 */
export async function pushImage(
  registry: string,
  repository: string,
  tag: string,
  options: PushOptions = {},
): Promise<PushedImage> {
  const { platforms = ['linux/amd64'], content = randomUUID(), labels = {} } = options;
  const base = `http://${registry}/v2/${repository}`;
  const single = platforms.length === 1;
  const entries: { platform: object; mediaType: string; digest: string; size: number }[] = [];
  for (const name of platforms) {
    const [os, architecture] = name.split('/');
    const platform = { os, architecture };
    const layer = await pushBlob(base, layerType, gzipSync(tarball('content', `${content} ${name}\n`)));
    const diff = digestOf(tarball('content', `${content} ${name}\n`));
    const config = { ...platform, config: { Labels: labels }, rootfs: { type: 'layers', diff_ids: [diff] } };
    const manifest = {
      schemaVersion: 2,
      mediaType: manifestType,
      config: await pushBlob(base, configType, Buffer.from(JSON.stringify(config))),
      layers: [layer],
    };
    entries.push({ platform, ...(await pushManifest(base, manifestType, manifest, single ? tag : undefined)) });
  }
  const manifests = entries.map(({ digest }) => digest);
  if (single) return { digest: manifests[0] ?? '', manifests };
  const index = { schemaVersion: 2, mediaType: indexType, manifests: entries };
  const { digest } = await pushManifest(base, indexType, index, tag);
  return { digest, manifests };
}

async function pushBlob(base: string, mediaType: string, bytes: Buffer) {
  const digest = digestOf(bytes);
  const present = await fetch(`${base}/blobs/${digest}`, { method: 'HEAD' });
  if (!present.ok) {
    const begun = await answered(fetch(`${base}/blobs/uploads/`, { method: 'POST' }));
    const upload = new URL(begun.headers.get('location') ?? '', base);
    upload.searchParams.set('digest', digest);
    const headers = { 'content-type': 'application/octet-stream' };
    await answered(fetch(upload, { method: 'PUT', body: new Uint8Array(bytes), headers }));
  }
  return { mediaType, digest, size: bytes.length };
}

async function pushManifest(base: string, mediaType: string, manifest: object, tag?: string) {
  const bytes = Buffer.from(JSON.stringify(manifest));
  const digest = digestOf(bytes);
  const headers = { 'content-type': mediaType };
  await answered(fetch(`${base}/manifests/${tag ?? digest}`, { method: 'PUT', body: new Uint8Array(bytes), headers }));
  return { mediaType, digest, size: bytes.length };
}

async function answered(request: Promise<Response>): Promise<Response> {
  const response = await request;
  if (response.ok) return response;
  throw new Error(`registry answered ${response.status} to ${response.url}: ${await response.text()}`);
}

function digestOf(bytes: Buffer): string {
  return `sha256:${createHash('sha256').update(bytes).digest('hex')}`;
}

/** A tar archive with one small file, the same bytes for the same content. */
function tarball(name: string, text: string): Buffer {
  const header = Buffer.alloc(512);
  const put = (value: string, offset: number) => header.write(value, offset, 'ascii');
  const octal = (value: number, digits: number) => `${value.toString(8).padStart(digits, '0')}\0`;
  put(name, 0);
  put(octal(0o644, 7), 100);
  put(octal(0, 7), 108);
  put(octal(0, 7), 116);
  put(octal(Buffer.byteLength(text), 11), 124);
  put(octal(0, 11), 136);
  put(' '.repeat(8), 148); // the checksum counts itself as blanks
  put('0', 156);
  put('ustar\x0000', 257);
  const checksum = header.reduce((sum, byte) => sum + byte, 0);
  put(`${checksum.toString(8).padStart(6, '0')}\0 `, 148);
  const padding = Buffer.alloc((512 - (Buffer.byteLength(text) % 512)) % 512);
  return Buffer.concat([header, Buffer.from(text), padding, Buffer.alloc(1024)]);
}

if (import.meta.main) {
  const match = /^([^/]+)\/(.+):([^:/]+)$/.exec(process.argv[2] ?? '');
  if (!match) {
    console.error('usage: node local/push-image.ts <host:port>/<repository>:<tag> [platform…]');
    process.exit(2);
  }
  const [, registry = '', repository = '', tag = ''] = match;
  const platforms = process.argv.slice(3);
  try {
    const { digest } = await pushImage(registry, repository, tag, platforms.length > 0 ? { platforms } : {});
    console.log(digest);
  } catch (error) {
    console.error(messageOf(error));
    process.exitCode = 1;
  }
}
