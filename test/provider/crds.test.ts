import { readdirSync, readFileSync } from 'node:fs';
import { beforeAll, describe, expect, it } from '@jest/globals';
import { parse } from 'yaml';
import { providers } from '../../src/activities/routers/index.ts';
import { resources, type Kubernetes, type KubernetesObject, type Resource } from '../../src/clients/kubernetes.ts';
import { messageOf } from '../../src/errors.ts';
import { parseCanary } from '../../src/schemas/canary.ts';
import { validate } from '../../src/schemas/validate.ts';
import { admissionCases, at, canary, statusCases, superset, type Json } from '../corpus/admission.ts';
import { accepted, corpus } from '../corpus/manifests.ts';
import { eventually, openCluster, type TestCluster } from '../support/cluster.ts';

const folder = new URL('../../deploy/crds/', import.meta.url);
const crds = readdirSync(folder).map(
  (file) => parse(readFileSync(new URL(file, folder), 'utf8')) as KubernetesObject & { spec: CrdSpec },
);

interface CrdSpec {
  readonly names: { readonly plural: string };
}

let cluster: TestCluster;
let kubernetes: Kubernetes;
let namespace: string;

beforeAll(async () => {
  cluster = openCluster();
  kubernetes = cluster.kubernetes;
  namespace = await cluster.namespace('crds');
  const { customResourceDefinitions } = resources;
  for (const crd of crds) await kubernetes.apply(customResourceDefinitions, crd, 'serin', true);
  for (const { metadata } of crds) {
    await eventually(`${metadata.name} is established`, async () => {
      const found = await cluster.read(customResourceDefinitions, '', metadata.name);
      return conditionOf(found, 'Established') === 'True';
    });
  }
}, 60_000);

describe('the CRDs', () => {
  it('are structural and name what nobody else names', async () => {
    for (const { metadata } of crds) {
      const found = await cluster.read(resources.customResourceDefinitions, '', metadata.name);
      expect(conditionOf(found, 'NamesAccepted')).toBe('True');
      expect(conditionOf(found, 'NonStructuralSchema')).toBeUndefined();
    }
  });

  it.each(corpus.map((manifest) => [manifest.file, manifest] as const))(
    'judge %s as Flagger’s do',
    async (_, manifest) => {
      const { object, verdict } = manifest;
      const isStored = ['valid', 'warning', 'rejected by controller'].includes(verdict);
      const { problem } = await create(object);
      expect(problem).toEqual(isStored ? undefined : expect.any(String));
    },
  );

  it.each(accepted.map((object) => [`${object.kind} ${object.metadata.name}`, object] as const))(
    'store the %s of the documentation as it was written',
    async (_, object) => {
      const { stored, problem } = await create(object);
      expect(problem).toBeUndefined();
      expect(stored).toMatchObject({ spec: object.spec });
    },
  );

  it.each(admissionCases.map((one) => [one.when, one] as const))(
    'when %s',
    async (_, { object, server, stored: kept }) => {
      const { stored, problem } = await create(object);
      expect(problem).toEqual(server === 'refuses' ? expect.any(String) : undefined);
      for (const [path, value] of Object.entries(kept ?? {})) expect([path, at(stored, path)]).toEqual([path, value]);
    },
  );

  it('say what a mirror without a port lacks', async () => {
    const { problem } = await create(admissionCases.find(({ when }) => when === 'a mirror has no port')!.object);
    expect(problem).toContain('Must have port for Service reference');
  });

  it.each(statusCases)('take the status of a Canary, when $when', async ({ status, server, stored: kept }) => {
    const { stored } = await create(canary());
    const { name } = stored!.metadata;
    const written = kubernetes.patch(resources.canaries, namespace, name, { status }, 'status');
    if (server === 'refuses') await expect(written).rejects.toMatchObject({ type: 'InvalidSpec' });
    else expect(await written).toMatchObject({ status: kept });
    const { status: found } = await cluster.read(resources.canaries, namespace, name);
    expect(found).toEqual(kept);
  });

  it('BC-33: keep for the mesh what Flagger’s lose', async () => {
    const { stored } = await create(superset);
    expect(at(stored, 'spec.service.trafficPolicy')).toEqual(superset.spec.service.trafficPolicy);
    expect(at(stored, 'spec.analysis.approvals')).toEqual(superset.spec.analysis.approvals);
  });

  it('BC-06: keep every field of a status that a release remembers', async () => {
    const { stored } = await create(canary());
    const { name } = stored!.metadata;
    const status = {
      phase: 'Progressing',
      failedChecks: 1,
      canaryWeight: 20,
      iterations: 0,
      lastAppliedSpec: 'v1:a',
      lastPromotedSpec: 'v1:b',
      trackedConfigs: { 'configmap/settings': '0123456789abcdef' },
      observedTarget: { uid: 'uid', generation: 7, revision: 'v1:a' },
      lastTransitionTime: '2026-07-14T08:00:00Z',
      conditions: [
        {
          type: 'Promoted',
          status: 'Unknown',
          reason: 'Progressing',
          message: 'New revision detected, progressing canary analysis.',
          lastUpdateTime: '2026-07-14T08:00:00Z',
          lastTransitionTime: '2026-07-14T08:00:00Z',
        },
        { type: 'Stalled', status: 'True', reason: 'InvalidSpec', message: 'no' },
      ],
    };
    await kubernetes.patch(resources.canaries, namespace, name, { status }, 'status');
    expect((await cluster.read(resources.canaries, namespace, name)).status).toEqual(status);
  });
});

describe('the parser', () => {
  it('reads what the API server stored as the API server meant it', async () => {
    for (const { object, server, parser } of admissionCases) {
      if (object.kind !== 'Canary' || server === 'refuses' || parser === 'refuses') continue;
      const { stored } = await create(object);
      expect(parseCanary(stored)).toMatchObject({ canary: { spec: stored!.spec } });
    }
  });

  it('refuses no Canary that is stored and that Flagger decodes', async () => {
    for (const { object, verdict } of corpus) {
      if (object.kind !== 'Canary' || !['valid', 'warning'].includes(verdict)) continue;
      const { stored } = await create(object);
      const parsed = parseCanary(stored);
      if ('problem' in parsed) throw new Error(`${object.metadata.name}: ${parsed.problem}`);
      const errors = validate(parsed.canary, { noCrossNamespaceRefs: false, meshProvider: 'istio', providers });
      expect(errors.filter(({ level, id }) => level === 'error' && !id.startsWith('unsupported-'))).toEqual([]);
    }
  });
});

let created = 0;

/** Creates an object under a name of its own and in the namespace of this file. */
async function create(object: Json): Promise<{ readonly stored?: KubernetesObject; readonly problem?: string }> {
  const metadata = { ...object.metadata, namespace, name: `case-${++created}` };
  const resource = resourceOf(object);
  try {
    return { stored: await kubernetes.create(resource, { ...object, metadata } as unknown as KubernetesObject) };
  } catch (error) {
    return { problem: messageOf(error) };
  }
}

/** Under the path of the version it names, as `kubectl` would. */
function resourceOf({ apiVersion, kind }: Json): Resource {
  const crd = crds.find(({ metadata }) => metadata.name.startsWith(String(kind).toLowerCase().slice(0, 5)))!;
  return { apiVersion: String(apiVersion), kind: String(kind), plural: crd.spec.names.plural };
}

function conditionOf({ status }: KubernetesObject, type: string): string | undefined {
  // A definition that was just stored has `conditions: null`.
  const { conditions } = (status ?? {}) as { conditions?: { type: string; status: string }[] | null };
  return conditions?.find((condition) => condition.type === type)?.status;
}
