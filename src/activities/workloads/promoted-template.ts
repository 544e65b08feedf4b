import { resources, type Kubernetes } from '../../clients/kubernetes.ts';
import { failureType } from '../../errors.ts';
import type { Canary } from '../../schemas/canary.ts';
import { during } from '../attempts.ts';
import { controllerOf, ownerReference } from '../ownership.ts';
import type { PodTemplate } from './primary-template.ts';

/**
 * Keeps the template that was promoted last, so that a primary someone deletes comes back as it was and not as the
 * target happens to be by then (Q10). It lies in a ControllerRevision beside the Canary, and goes away with it.
 */
export interface PromotedTemplates {
  /** The template of `status.lastPromotedSpec`, if it was kept. */
  find(canary: Canary): Promise<PodTemplate | undefined>;
  keep(canary: Canary, revision: string, template: PodTemplate): Promise<void>;
  /** Forgets all but the template of this revision. */
  forgetOthers(canary: Canary, revision: string): Promise<void>;
}

/** Which Canary a ControllerRevision belongs to, and which revision it is: its name holds only a part of the hash. */
const uidLabel = 'serin.dev/canary-uid';
const revisionAnnotation = 'serin.dev/revision';

export function createPromotedTemplates(kubernetes: Kubernetes): PromotedTemplates {
  return {
    async find(canary) {
      const revision = canary.status?.lastPromotedSpec ?? '';
      if (!revision.startsWith('v1:')) return undefined;
      const { namespace } = canary.metadata;
      const kept = await kubernetes.get(resources.controllerRevisions, namespace, nameOf(canary, revision));
      const { template } = (kept?.data ?? {}) as { readonly template?: PodTemplate };
      return kept?.metadata.annotations?.[revisionAnnotation] === revision ? template : undefined;
    },

    async keep(canary, revision, template) {
      try {
        // What was kept can never change, hence one object for each revision.
        await during(`keeping the template of ${nameOf(canary, revision)} failed`, () =>
          kubernetes.create(resources.controllerRevisions, {
            apiVersion: 'apps/v1',
            kind: 'ControllerRevision',
            metadata: {
              name: nameOf(canary, revision),
              namespace: canary.metadata.namespace,
              labels: { [uidLabel]: canary.metadata.uid ?? '' },
              annotations: { [revisionAnnotation]: revision },
              ownerReferences: [ownerReference(canary)],
            },
            revision: 1,
            data: { template },
          }),
        );
      } catch (error) {
        if (failureType(error) !== 'Conflict') throw error;
      }
    },

    async forgetOthers(canary, revision) {
      const { namespace, uid } = canary.metadata;
      const kept = nameOf(canary, revision);
      const labelSelector = `${uidLabel}=${uid ?? ''}`;
      const { items } = await during('finding templates that are no longer needed failed', () =>
        kubernetes.list(resources.controllerRevisions, namespace, { labelSelector }),
      );
      const others = items.filter((item) => item.metadata.name !== kept && controllerOf(item)?.uid === uid);
      for (const { metadata } of others) {
        await kubernetes.remove(resources.controllerRevisions, namespace, metadata.name);
      }
    },
  };
}

function nameOf(canary: Canary, revision: string): string {
  return `${canary.metadata.name}-promoted-${revision.slice('v1:'.length, 'v1:'.length + 10)}`;
}
