import { randomUUID } from 'node:crypto';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { parse, parseAllDocuments, stringify } from 'yaml';
import { chart, objectsOf, renderChart } from '../../local/chart.ts';
import { kubectlFor, type Kubectl } from '../../local/kubectl.ts';
import { loadIssuers } from '../../src/activities/actors.ts';
import { run } from '../../src/cli/index.ts';
import { resources, type Kubernetes, type KubernetesObject } from '../../src/clients/kubernetes.ts';
import { loadReceivers } from '../../src/triggers/receivers.ts';
import { openCluster } from '../support/cluster.ts';
import { blocksOf, pages, type Block } from '../support/markdown.ts';

/**
 * What the pages tell people to apply, and to write into files. Nothing is stored: the API server is asked whether it would
 * take it.
 */
const suffix = randomUUID().slice(0, 8);
const folder = mkdtempSync(join(tmpdir(), 'serin-docs-'));
const made: string[] = [];
let kubernetes: Kubernetes;
let kubectl: Kubectl;

beforeAll(async () => {
  const cluster = openCluster();
  kubernetes = cluster.kubernetes;
  kubectl = await kubectlFor(cluster.kubeconfig);
});

afterAll(async () => {
  rmSync(folder, { recursive: true, force: true });
  for (const name of made) await kubernetes.remove(resources.namespaces, undefined, name);
});

const blocks = (language: string) => pages.flatMap((page) => blocksOf(page, language));
const named = (block: Block) => [`${block.page}:${block.line}`, block] as const;

const documents = (text: string): unknown[] =>
  parseAllDocuments(text, { uniqueKeys: true }).map((document) => {
    if (document.errors[0]) throw document.errors[0];
    return document.toJS() as unknown;
  });

const isObject = (value: unknown): value is KubernetesObject =>
  typeof value === 'object' && value !== null && 'apiVersion' in value && 'kind' in value;

/** A page about another product shows what its readers have there. */
const isOurs = ({ text }: Block) => !text.startsWith('# Argo Rollouts\n');

/** A part of a values file says that it is one. */
const areValues = ({ text }: Block) => text.startsWith('# Values of the chart\n');

/** Blocks that can be applied as they stand. */
const manifests = blocks('yaml').filter((block) => isOurs(block) && documents(block.text).every(isObject));

/** A namespace of this run that stands for one of the pages. */
async function namespaceFor(name: string): Promise<string> {
  const own = `docs-${name}-${suffix}`;
  if (made.includes(own)) return own;
  made.push(own);
  const namespace = { apiVersion: 'v1', kind: 'Namespace', metadata: { name: own } };
  await kubernetes.create(resources.namespaces, namespace);
  return own;
}

/** What the API server says about objects that it is not to store. @throws Error for a field that it does not know, too */
async function dryRun(objects: readonly KubernetesObject[]): Promise<string[]> {
  const moved: KubernetesObject[] = [];
  for (const object of objects) {
    // kubectl leaves a namespace out where the kind has none.
    const { name, namespace = 'default' } = object.metadata;
    const metadata =
      object.kind === 'Namespace'
        ? { ...object.metadata, name: await namespaceFor(name) }
        : { ...object.metadata, namespace: await namespaceFor(namespace) };
    moved.push({ ...object, metadata });
  }
  const text = moved.map((object) => stringify(object)).join('---\n');
  return kubectl(['apply', '--server-side', '--dry-run=server', '--validate=strict', '-f', '-'], text)
    .trim()
    .split('\n');
}

async function lint(objects: readonly object[]): Promise<readonly string[]> {
  const file = join(folder, `${randomUUID()}.yaml`);
  writeFileSync(file, objects.map((object) => stringify(object)).join('---\n'));
  const said: string[] = [];
  const say = (line: string) => void said.push(line);
  await run(['lint', file], { env: {}, out: say, err: say });
  return said;
}

describe('manifests in the pages', () => {
  it('are there, and of every kind of ours that is explained with one', () => {
    const kinds = manifests.flatMap(({ text }) => documents(text).map((object) => (object as KubernetesObject).kind));
    expect(kinds.length).toBeGreaterThan(15);
    expect(kinds).toEqual(expect.arrayContaining(['Canary', 'MetricTemplate', 'ImageTrigger', 'ClusterRole']));
  });

  it.each(manifests.map(named))('%s is taken by the API server', async (_, { text }) => {
    const objects = documents(text) as KubernetesObject[];
    const said = await dryRun(objects);
    expect(said).toHaveLength(objects.length);
    for (const line of said) expect(line).toMatch(/ serverside-applied \(server dry run\)$/);
  });

  it.each(manifests.map(named))('%s is nothing that serin lint has something to say about', async (_, { text }) => {
    expect(await lint(documents(text) as object[])).toEqual(['nothing to say']);
  });

  it.each<[string, object, RegExp]>([
    ['a field that does not exist', { spec: { targetReff: {} } }, /targetReff/],
    ['a value of another type', { spec: { analysis: { threshold: 'five' } } }, /threshold/],
  ])('would be refused for %s', async (_, wrong, message) => {
    const right = documents(manifests[0]!.text)[0] as KubernetesObject;
    await expect(dryRun([merged(right, wrong) as KubernetesObject])).rejects.toThrow(message);
    expect((await lint([merged(right, wrong)])).join('\n')).toMatch(message);
  });
});

/** Parts of a Canary, and where in it they belong. */
const parts: readonly (readonly [page: string, at: (part: object) => object])[] = [
  ['docs/load-tester.md', (part) => ({ spec: { analysis: part } })],
  ['docs/operations.md', (part) => part],
  ['docs/providers/triggers.md', (part) => part],
];

describe('parts of a Canary in the pages', () => {
  it.each(parts)('of %s make a Canary that is taken', async (page, at) => {
    const [block] = blocksOf(page, 'yaml').filter((one) => !documents(one.text).every(isObject) && !areValues(one));
    const readme = blocksOf('README.md', 'yaml').map(({ text }) => parse(text) as KubernetesObject);
    const canary = merged(readme[0]!, at(parse(block!.text) as object)) as KubernetesObject;
    expect(await lint([canary])).toEqual(['nothing to say']);
    expect(await dryRun([canary])).toHaveLength(1);
  });

  it.each(blocks('yaml').filter(areValues).map(named))('or, at %s, values that the chart takes', (_, { text }) => {
    const file = join(folder, 'values.yaml');
    writeFileSync(file, text);
    expect(objectsOf(renderChart({ values: [join(chart, 'ci/defaults.yaml'), file] })).length).toBeGreaterThan(10);
  });

  it('or are YAML at least', () => {
    for (const { text } of blocks('yaml')) expect(() => documents(text)).not.toThrow();
  });
});

function merged(one: object, other: object): object {
  const [left, right] = [one as Record<string, unknown>, other as Record<string, unknown>];
  const isMap = (value: unknown): value is object =>
    typeof value === 'object' && value !== null && !Array.isArray(value);
  const both = Object.keys(right).map((key) => {
    const [was, is] = [left[key], right[key]];
    return [key, isMap(was) && isMap(is) ? merged(was, is) : is];
  });
  return { ...left, ...(Object.fromEntries(both) as object) };
}

describe('JSON in the pages', () => {
  const all = blocks('json').map((block) => ({ block, json: JSON.parse(block.text) as unknown }));
  const listsWith = (key: string) =>
    all.flatMap(({ block, json }) =>
      Array.isArray(json) && json.every((entry: object) => key in entry) ? [named(block)] : [],
    );

  /** The text in a file, and what it names beside it. */
  function written(text: string): string {
    const root = mkdtempSync(join(folder, 'files-'));
    const here = text.replaceAll('"/etc/', `"${root}/etc/`);
    for (const [, path] of here.matchAll(/File": "([^"]+)"/g)) {
      mkdirSync(dirname(path!), { recursive: true });
      writeFileSync(path!, `${randomUUID()}\n`);
    }
    const file = join(root, 'file.json');
    writeFileSync(file, here);
    return file;
  }

  it('is of each sort', () => {
    expect([listsWith('repositories').length, listsWith('audience').length]).toEqual([2, 1]);
  });

  it.each(listsWith('repositories'))('%s is a receivers file', async (_, { text }) => {
    const receivers = await loadReceivers(written(text));
    expect(receivers.length).toBeGreaterThan(0);
    for (const { name, address } of receivers) expect(await address()).toBe(`/hooks/v1/${name}`);
  });

  it.each(listsWith('audience'))('%s is a file of token issuers', async (_, { text }) => {
    expect((await loadIssuers(written(text))).length).toBeGreaterThan(0);
  });
});
