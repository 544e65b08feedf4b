import { describe, expect, it } from '@jest/globals';
import { Registry } from 'prom-client';
import { parse } from 'yaml';
import { chartApis } from '../../../local/chart-apis.ts';
import { routerContract } from '../../../test/contracts/router.ts';
import type { RouterWorld } from '../../../test/contracts/router-world.ts';
import { shopWith } from '../../../test/contracts/router-worlds.ts';
import { memoryKubernetes } from '../../../test/support/memory-kubernetes.ts';
import { testDeps } from '../../../test/support/shop.ts';
import type { Kubernetes, KubernetesObject, Resource } from '../../clients/kubernetes.ts';
import { both, someOf } from '../../config/kinds.ts';
import { createLog } from '../../log.ts';
import type { Canary } from '../../schemas/canary.ts';
import { serviceNames } from '../../schemas/defaults.ts';
import { weightsAlone } from '../../schemas/providers.ts';
import { validate } from '../../schemas/validate.ts';
import { createWatches } from '../../watch/index.ts';
import type { Weights } from '../../workflows/domain/observation.ts';
import { isObject, pick } from './compare.ts';
import { apisOf, providersOf, routers } from './index.ts';
import { apexMetadata } from './metadata.ts';
import { createObjects, type Model } from './objects.ts';
import type { RouterKind } from './router.ts';

/*
 * What a router with an API of its own costs. All of it, but for the words of its failures and its section in the docs, is
 * in this file: one that would be `traefik.ts`, and its line in the index.
 */

const resource: Resource = { apiVersion: 'traefik.io/v1alpha1', kind: 'TraefikService', plural: 'traefikservices' };

const model: Model = {
  product: 'Traefik',
  ownedFields: { TraefikService: ['weighted'] },
  keepsAnnotations: false,
  complete: (spec) => spec,
  withoutTraffic: (_, spec) => ({ names: servicesIn(spec).map(({ name }) => name) }),
  isOurs: (canary, spec) => weightsIn(canary, spec) !== undefined,
  losses: () => [],
  words: (action, { name }) => [`TraefikService ${name} ${action} error`],
};

interface Service {
  readonly name: string;
  readonly weight: number;
}

function servicesIn(spec: unknown): readonly Service[] {
  const weighted = isObject(spec) && isObject(spec.weighted) ? spec.weighted : {};
  return Array.isArray(weighted.services) ? (weighted.services as Service[]) : [];
}

function weightsIn(canary: Canary, spec: unknown): Weights | undefined {
  const names = serviceNames(canary);
  const weightOf = (name: string) => servicesIn(spec).find((service) => service.name === name)?.weight;
  const [primary, ofCanary] = [weightOf(names.primary), weightOf(names.canary)];
  return primary === undefined || ofCanary === undefined ? undefined : { primary, canary: ofCanary };
}

function specOf(canary: Canary, weights: Weights) {
  const names = serviceNames(canary);
  const services = [
    { name: names.primary, weight: weights.primary },
    { name: names.canary, weight: weights.canary },
  ];
  return { weighted: { services } };
}

const traefik: RouterKind = {
  can: weightsAlone,
  api: {
    ...{ name: 'traefik', product: 'Traefik', cluster: 'mesh' },
    uses: [{ resource, verbs: ['get', 'create', 'update'], watched: 'route' }],
  },
  create(deps) {
    const objects = createObjects(model, deps);
    const place = (canary: Canary) => ({ resource, name: serviceNames(canary).apex });
    const wanted = async (canary: Canary, weights: Weights) => [
      { ...place(canary), spec: specOf(canary, weights), metadata: await apexMetadata(canary, deps) },
    ];
    return {
      drift: async (canary) => objects.drift(canary, await wanted(canary, { primary: 100, canary: 0 })),
      ensure: async (canary, traffic) => objects.ensure(canary, await wanted(canary, traffic)),
      async getWeights(canary) {
        const live = await objects.get(canary, place(canary));
        return live && weightsIn(canary, live.spec);
      },
      setWeights: (canary, traffic) => objects.move(canary, place(canary), specOf(canary, traffic)),
      revert: (canary) => objects.revert(canary, [place(canary)]),
    };
  },
};

/** The line in the index. */
const index = new Map([...routers, ['traefik', traefik]]);

function world(): RouterWorld {
  const deps = testDeps(memoryKubernetes());
  const route = () => deps.mesh.get(resource, 'prod', 'shop');
  const change = async (edit: (services: Service[]) => Service[]) => {
    const live = (await route())!;
    const services = edit([...servicesIn(live.spec)]);
    await deps.mesh.replace(resource, { ...live, spec: { weighted: { services } } });
  };
  const written = ({ spec }: KubernetesObject) => {
    const [primary, canary] = servicesIn(spec);
    return { primary: primary?.weight, canary: canary?.weight };
  };
  return {
    deps,
    canary: shopWith(),
    objects: ['TraefikService shop'],
    stored: async () => (await deps.mesh.list(resource, 'prod')).items,
    split: {
      route,
      written,
      async tamper() {
        await change((services) => [...services, { name: 'by-hand', weight: 1 }]);
        return 'TraefikService shop';
      },
      shove: ({ primary, canary }) =>
        change(([one, other]) => [
          { ...one!, weight: primary },
          { ...other!, weight: canary },
        ]),
      removeRoute: () => deps.mesh.remove(resource, 'prod', 'shop'),
    },
  };
}

routerContract('a router of one file', traefik.create, world(), () => Promise.resolve(world()));

describe('a router of one file and a line in the index', () => {
  const apis = apisOf(index);
  const settings = { noCrossNamespaceRefs: false, meshProvider: 'traefik', providers: providersOf(index) };
  const canary: KubernetesObject = {
    ...{ apiVersion: 'flagger.app/v1beta1', kind: 'Canary', metadata: { name: 'shop', namespace: 'prod' } },
    ...pick(shopWith(), ['spec']),
  };

  it('is a provider that Canaries may name, unless its API is left out', () => {
    expect(validate(shopWith(), settings)).toEqual([]);
    expect(validate(shopWith(), { ...settings, apis: ['istio'] })).toMatchObject([{ id: 'not-enabled' }]);
    expect(validate(shopWith(), { ...settings, apis: ['traefik'] })).toEqual([]);
  });

  it('is refused what it cannot do, with the providers that can', () => {
    const [found] = validate(shopWith({}, { iterations: 2, match: [{ headers: {} }] }), settings);
    expect(found!.message).toMatch(/^spec.analysis.match: the provider traefik cannot .* use one of istio, gatewayapi/);
  });

  it('has an API that SERIN_PROVIDERS takes', () => {
    const names = apis.map(({ name }) => name);
    const setting = someOf('SERIN_PROVIDERS', names, { by: both, about: '' });
    expect(setting.fallback).toContain('traefik');
    expect(setting.parse('istio, traefik')).toEqual(['istio', 'traefik']);
    expect(setting.expected).toContain('traefik');
  });

  it('has the permissions it asks for, by way of the file that the chart reads', () => {
    const granted = parse(chartApis(apis)) as { name: string }[];
    const rule = { group: 'traefik.io', resources: ['traefikservices'] };
    expect(granted.find(({ name }) => name === 'traefik')).toEqual({
      ...{ name: 'traefik', product: 'Traefik' },
      starter: [{ ...rule, verbs: ['list', 'watch'] }],
      worker: [{ ...rule, verbs: ['get', 'create', 'update'] }],
    });
  });

  it('has its routes watched, for the Canary that they belong to', async () => {
    let changed: (object: KubernetesObject) => void = () => undefined;
    const hints: string[] = [];
    const life = new AbortController();
    const kubernetes: Kubernetes = {
      ...memoryKubernetes(canary),
      watch: (watched, _namespace, _query, onEvent, signal) =>
        new Promise((resolve) => {
          if (watched === resource) changed = (object) => onEvent({ type: 'ADDED', object });
          signal.addEventListener('abort', () => resolve(), { once: true });
        }),
    };
    const watches = createWatches({
      ...{ kubernetes, mesh: kubernetes, namespace: '', configTracking: false, fieldManager: 'serin', apis },
      hint: (_, { source }) => hints.push(source),
      log: createLog('error', () => undefined),
      metrics: new Registry(),
      info: { version: '0', meshProvider: 'traefik' },
    });
    const running = watches.run(life.signal);
    await new Promise((resolve) => setTimeout(resolve, 200));
    const metadata = { name: 'shop', namespace: 'prod', uid: 'u', resourceVersion: '9' };
    changed({ apiVersion: resource.apiVersion, kind: resource.kind, metadata, spec: {} });
    life.abort();
    await running;
    expect(hints).toContain('watch/traefikservice');
  });
});
