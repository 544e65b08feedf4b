import { resources, type Kubernetes, type KubernetesObject } from '../clients/kubernetes.ts';
import { failureType } from '../errors.ts';
import { canaryField, type Log } from '../log.ts';
import type { EventRecord } from '../workflows/domain/plan.ts';
import { during, retryOnConflict } from './attempts.ts';
import { sha256 } from './revision.ts';

/** Annotation with the occurrence that an Event counted last. */
const occurrenceKey = 'serin.dev/occurrence';

/** Longest message that the API server takes, in bytes. */
const longestMessage = 1024;

/** Longest name of an object, less the hash that ends an Event's. */
const longestPrefix = 253 - 17;

/**
 * Records an event about a Canary.
 *
 * @param occurrence names this telling: a retry of it is not counted twice. Without it the story tells this message
 * once, and never counts it.
 */
export type RecordEvent = (canary: KubernetesObject, event: EventRecord, occurrence?: string) => Promise<void>;

/**
 * One Event object for each message of a story, so that nothing is folded away; telling it again raises its count.
 *
 * @see engine spec 1 and Q57
 */
export function createRecordEvent(
  kubernetes: Kubernetes,
  log?: Pick<Log, 'info'>,
  now: () => Date = () => new Date(),
): RecordEvent {
  return async (canary, event, occurrence) => {
    // As in Flagger, whose logs people search for the texts of its events.
    const told = () =>
      log?.info(event.message, { canary: canaryField({ namespace, name: canaryName }), event: event.type });
    const { namespace = '', name: canaryName } = canary.metadata;
    const hash = sha256([event.scope, event.type, event.message].join('\n')).slice(0, 16);
    const name = `${canaryName.slice(0, longestPrefix)}.${hash}`;
    /** Undefined when it was created, else why not: mostly there is one of that name. */
    const conflict = async (at: string): Promise<Error | undefined> => {
      try {
        await kubernetes.create(resources.events, newEvent(canary, name, event, occurrence, at));
        return undefined;
      } catch (error) {
        if (!(error instanceof Error) || failureType(error) !== 'Conflict') throw error;
        return error;
      }
    };
    await during(`recording event ${name}.${namespace} failed`, () =>
      retryOnConflict(async () => {
        const at = now()
          .toISOString()
          .replace(/\.\d+Z$/, 'Z');
        // Most are told for the first time: then that is the one request there is.
        const refused = await conflict(at);
        if (refused === undefined) return told();
        const stored = await kubernetes.get(resources.events, namespace, name);
        // It ended between the two, as events do after an hour; or it was refused for something else, which is then told.
        if (!stored) throw refused;
        if (occurrence === undefined || stored.metadata.annotations?.[occurrenceKey] === occurrence) return;
        const { resourceVersion } = stored.metadata;
        await kubernetes.patch(resources.events, namespace, name, {
          metadata: { resourceVersion, annotations: { [occurrenceKey]: occurrence } },
          count: (typeof stored.count === 'number' ? stored.count : 1) + 1,
          lastTimestamp: at,
        });
        told();
      }),
    );
  };
}

function newEvent(
  canary: KubernetesObject,
  name: string,
  { type, message }: EventRecord,
  occurrence: string | undefined,
  at: string,
): KubernetesObject {
  const { apiVersion, kind } = resources.canaries;
  const { namespace, uid, resourceVersion } = canary.metadata;
  return {
    apiVersion: 'v1',
    kind: 'Event',
    metadata: {
      name,
      namespace,
      ...(occurrence === undefined ? {} : { annotations: { [occurrenceKey]: occurrence } }),
    },
    involvedObject: { apiVersion, kind, namespace, name: canary.metadata.name, uid, resourceVersion },
    type,
    reason: 'Synced',
    message: cut(message),
    source: { component: 'serin' },
    reportingComponent: 'serin',
    reportingInstance: '',
    count: 1,
    firstTimestamp: at,
    lastTimestamp: at,
  };
}

function cut(message: string): string {
  const bytes = Buffer.from(message);
  if (bytes.length <= longestMessage) return message;
  // Half a character at the cut decodes to a replacement character, which is left out.
  return `${bytes
    .subarray(0, longestMessage - 3)
    .toString()
    .replace(/\uFFFD+$/, '')}…`;
}
