import type { KubernetesObject, Resource } from '../../clients/kubernetes.ts';
import { failure } from '../../errors.ts';
import type { Canary } from '../../schemas/canary.ts';
import { during as enclosing } from '../attempts.ts';
import type { Deps } from '../deps.ts';
import { belonging, canaryLabel, labelOf } from '../belonging.ts';
import { isControlledBy, wasWrittenByEngine } from '../ownership.ts';
import { lastApplied, originalConfiguration, originalIn } from '../originals.ts';
import { difference, isObject, omit, pick, type JsonObject } from './compare.ts';
import type { Metadata } from './metadata.ts';

/** An object of a router's, as the Canary asks for it. */
export interface Wanted {
  readonly resource: Resource;
  readonly name: string;
  readonly spec: object;
  /** Labels and annotations to keep to: given for the route that carries the weights. Those of other objects are nobody's business. */
  readonly metadata?: Metadata;
}

/** Where an object is. */
export type Place = Pick<Wanted, 'resource' | 'name'>;

/** What fails: while objects are brought to what the Canary asks for, while weights move, or on the way back. */
export type Action = 'reconcile get' | 'reconcile create' | 'reconcile update' | 'get' | 'move' | 'revert';

/** What a product's objects have of their own. */
export interface Model {
  /** Who would have to know a field, for people. */
  readonly product: string;
  /** Fields of a spec that ours decides, be it by leaving them out. What others write beside them stays. */
  readonly ownedFields: Readonly<Record<string, readonly string[]>>;
  /** Fields whose keys say something even with an empty value. */
  readonly maps?: ReadonlySet<string>;
  /** Whether annotations that nobody here knows stay on the route. */
  readonly keepsAnnotations: boolean;
  /** A spec with what the API server fills in, so that it compares. */
  complete(spec: JsonObject): JsonObject;
  /** A complete spec without what changes in the course of a release. */
  withoutTraffic(canary: Canary, spec: JsonObject): JsonObject;
  /** Whether a route sends requests to the Canary's Services already: then it is ours, or Flagger's. */
  isOurs(canary: Canary, spec: unknown): boolean;
  /** What an object of somebody else's loses, in words that a list of them can hold. */
  losses(before: JsonObject, now: object, kind: string): readonly string[];
  /** How Flagger begins, and ends, to say that an action failed. */
  words(action: Action, wanted: Place, canary: Canary): readonly [before: string, after?: string];
}

/** Keeps the objects of a router as the Canary asks for them, in the cluster of the mesh. */
export interface Objects {
  /** Those that are missing or differ in anything but their traffic, as `<Kind> <name>`. */
  drift(canary: Canary, all: readonly Wanted[]): Promise<readonly string[]>;
  /** Writes those that are missing or differ, in this order. Answers with what one that was there before loses. */
  ensure(canary: Canary, all: readonly Wanted[]): Promise<readonly string[]>;
  /** The route as it is. */
  get(canary: Canary, route: Place): Promise<KubernetesObject | undefined>;
  /**
   * Writes this part over that of a route, if they differ.
   *
   * @param check may refuse the change, before it is made
   * @throws `NotFound` when there is no route
   */
  move(canary: Canary, route: Place, part: JsonObject, check?: (live: KubernetesObject) => void): Promise<void>;
  /** Gives objects their specs from before the Canary back, where there are copies of them. */
  revert(canary: Canary, places: readonly Place[]): Promise<void>;
}

export function createObjects(model: Model, deps: Deps): Objects {
  const { maps } = model;

  const during = async <T>(action: Action, place: Place, canary: Canary, work: () => Promise<T>): Promise<T> => {
    const [before, after] = model.words(action, place, canary);
    return enclosing(before, work, after);
  };

  const read = (place: Place, canary: Canary, action: Action = 'reconcile get') =>
    during(action, place, canary, () => deps.mesh.get(place.resource, canary.metadata.namespace, place.name));

  const create = (wanted: Wanted, canary: Canary) => {
    const { resource, name, spec, metadata } = wanted;
    const { labels, ...owned } = belonging(canary, deps);
    const marked = labels ? { labels: { ...metadata?.labels, ...labels } } : {};
    const object: KubernetesObject = {
      apiVersion: resource.apiVersion,
      kind: resource.kind,
      metadata: { name, namespace: canary.metadata.namespace, ...metadata, ...marked, ...owned },
      spec,
    };
    return during('reconcile create', wanted, canary, () => deps.mesh.create(resource, object));
  };

  /**
   * Writes what is wanted over what is there, if they differ. Fields of the spec beyond Flagger's model of it stay.
   * A spec that nobody has a copy of is kept in an annotation first, once, for `revertOnDeletion` to find.
   */
  const repair = async (wanted: Wanted, live: KubernetesObject, canary: Canary) => {
    const { resource, metadata } = wanted;
    if (!hasDrifted(wanted, live, canary) && !specDifference(wanted, live)) return live;
    const repaired: KubernetesObject = {
      ...live,
      spec: { ...omit(live.spec, ownedFieldsOf(wanted)), ...wanted.spec },
    };
    if (metadata) {
      const annotations = annotationsFor(metadata, live);
      const isSaved = lastApplied in annotations || originalConfiguration in annotations;
      if (!isSaved && stillDifference(wanted, live, canary))
        annotations[originalConfiguration] = JSON.stringify(live.spec);
      repaired.metadata = { ...live.metadata, labels: labelsFor(metadata, live), annotations };
    } else if (!isWritten(live, canary)) {
      repaired.metadata = withOriginal(live);
    }
    return during('reconcile update', wanted, canary, () => deps.mesh.replace(resource, repaired));
  };

  const ownedFieldsOf = ({ resource }: Wanted) => model.ownedFields[resource.kind] ?? [];

  /** The part of a live spec that is ours to decide. */
  const ownedPart = (wanted: Wanted, live: KubernetesObject) => model.complete(pick(live.spec, ownedFieldsOf(wanted)));

  /** Whether anything differs that does not change in the course of a release. */
  const hasDrifted = (wanted: Wanted, live: KubernetesObject, canary: Canary) => {
    const { metadata } = wanted;
    if (stillDifference(wanted, live, canary)) return true;
    if (!metadata) return false;
    const { labels, annotations } = live.metadata;
    return Boolean(
      difference(labelsFor(metadata, live), labels, 'labels') ??
      difference(annotationsFor(metadata, live), annotations, 'annotations'),
    );
  };

  const stillDifference = (wanted: Wanted, live: KubernetesObject, canary: Canary) => {
    const still = (spec: JsonObject) => model.withoutTraffic(canary, spec);
    return difference(still(completed(wanted)), still(ownedPart(wanted, live)), 'spec', maps);
  };

  const specDifference = (wanted: Wanted, live: KubernetesObject) =>
    difference(completed(wanted), ownedPart(wanted, live), 'spec', maps);

  const completed = ({ spec }: Wanted) => model.complete({ ...spec });

  /** The wanted labels, with the one by which an object of ours is known where it has no owner. */
  const labelsFor = (metadata: Metadata, live: KubernetesObject): Record<string, string> => ({
    ...metadata.labels,
    ...(pick(live.metadata.labels, [canaryLabel]) as Record<string, string>),
  });

  /** The wanted annotations, with the two that remember an original, or with all that others wrote. */
  const annotationsFor = (metadata: Metadata, live: KubernetesObject): Record<string, string> => {
    const { annotations = {} } = live.metadata;
    const remembered = pick(annotations, [lastApplied, originalConfiguration]) as Record<string, string>;
    return { ...(model.keepsAnnotations ? annotations : {}), ...metadata.annotations, ...remembered };
  };

  /** An API server drops fields that its version of the product does not know. Said once here, it is not repaired for ever. */
  const assertKept = (wanted: Wanted, stored: KubernetesObject, canary: Canary) => {
    const path = specDifference(wanted, stored);
    if (!path) return;
    const cure = `remove it from the Canary, or install a version of ${model.product} that has it`;
    throw failure(
      'InvalidSpec',
      `${what(wanted, canary)}: the cluster does not keep ${path} as the Canary asks; ${cure}`,
    );
  };

  /** What an object that was there before loses to the Canary, told once: as its original is kept (BC-31). */
  const lossesOf = (wanted: Wanted, live: KubernetesObject, canary: Canary): string[] => {
    const { resource, spec, metadata } = wanted;
    if (metadata ? model.isOurs(canary, live.spec) : isWritten(live, canary)) return [];
    const lost = model.losses(pick(live.spec, ownedFieldsOf(wanted)), spec, resource.kind);
    if (lost.length === 0 && (metadata || !specDifference(wanted, live))) return [];
    const [loses, says] = [
      lost.length > 0 ? `loses ${lost.join('; ')}` : 'changes',
      metadata ? 'it routes' : 'is in it',
    ];
    return [`${what(wanted, canary)} was there before the canary and ${loses}; spec.service says what ${says}`];
  };

  return {
    async drift(canary, all) {
      const found = await Promise.all(all.map((wanted) => read(wanted, canary)));
      const differing = all.filter((wanted, index) => !found[index] || hasDrifted(wanted, found[index], canary));
      return differing.map(({ resource, name }) => `${resource.kind} ${name}`);
    },

    async ensure(canary, all) {
      const stored: KubernetesObject[] = [];
      const remarks: string[] = [];
      for (const wanted of all) {
        const live = await read(wanted, canary);
        if (live) remarks.push(...lossesOf(wanted, live, canary));
        stored.push(live ? await repair(wanted, live, canary) : await create(wanted, canary));
      }
      // Only now: a field that is not kept in one object must not hold up the weights in another.
      for (const [index, wanted] of all.entries()) assertKept(wanted, stored[index]!, canary);
      return remarks;
    },

    get: (canary, route) => read(route, canary, 'get'),

    async move(canary, route, part, check) {
      const live = await read(route, canary, 'get');
      const { apiVersion, plural } = route.resource;
      if (!live) {
        const missing = `${plural}.${apiVersion.split('/')[0]!} "${route.name}" not found`;
        return during('get', route, canary, () => Promise.reject(failure('NotFound', missing)));
      }
      const found = model.complete(pick(live.spec, Object.keys(part)));
      if (!difference(model.complete(part), found, 'spec', maps)) return;
      check?.(live);
      const moved = { ...live, spec: { ...(live.spec as JsonObject), ...part } };
      await during('move', route, canary, () => deps.mesh.replace(route.resource, moved));
    },

    async revert(canary, places) {
      for (const place of places) {
        const live = await read(place, canary, 'get');
        const original = live && originalSpec(live, what(place, canary));
        if (!original || !difference(original, live.spec, 'spec', maps)) continue;
        await during('revert', place, canary, () => deps.mesh.replace(place.resource, { ...live, spec: original }));
      }
    },
  };
}

/** Whether Serin or Flagger made an object, or has written it since: what is in it is nobody else's any more. */
function isWritten(live: KubernetesObject, canary: Canary): boolean {
  return (
    live.metadata.labels?.[canaryLabel] === labelOf(canary.metadata) ||
    isControlledBy(live, canary) ||
    wasWrittenByEngine(live) ||
    originalConfiguration in (live.metadata.annotations ?? {})
  );
}

/**
 * With its spec kept in an annotation, even where kubectl has a copy: it also says that we were here. Who only takes fields
 * away is not among the writers of an object.
 */
function withOriginal({ metadata, spec }: KubernetesObject): KubernetesObject['metadata'] {
  const { annotations = {} } = metadata;
  return { ...metadata, annotations: { ...annotations, [originalConfiguration]: JSON.stringify(spec) } };
}

function what({ resource, name }: Place, canary: Canary): string {
  return `${resource.kind} ${name}.${canary.metadata.namespace}`;
}

/** The spec from before the Canary, if it was kept; what kubectl remembers comes first. */
function originalSpec(live: KubernetesObject, what: string): JsonObject | undefined {
  const applied = originalIn<{ spec?: JsonObject }>(live, lastApplied, what);
  return applied ? applied.spec : originalIn<JsonObject>(live, originalConfiguration, what);
}

/** How a rule reads in a list of losses: by the fields that it has. */
export function fieldsOf(rule: unknown): string {
  return isObject(rule) ? Object.keys(rule).join(', ') : 'empty';
}

/** Lists of texts that a route loses, and rules, each with its place. */
export function lostItems(field: string, before: unknown, now: unknown): string[] {
  const list = (value: unknown): unknown[] => (Array.isArray(value) ? value : []);
  const kept = list(now).map(String);
  const gone = list(before).filter((one) => !kept.includes(String(one)));
  return gone.length > 0 ? [`${field} ${gone.join(', ')}`] : [];
}

export function lostRules(field: string, before: unknown): string[] {
  return (Array.isArray(before) ? before : []).map((rule, index) => `${field}[${index}] (${fieldsOf(rule)})`);
}
