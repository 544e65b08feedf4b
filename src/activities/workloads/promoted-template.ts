import { resources, type Kubernetes } from '../../clients/kubernetes.ts';
import { failureType } from '../../errors.ts';
import type { Canary } from '../../schemas/canary.ts';
import { during } from '../attempts.ts';
import { controllerOf, ownerReference } from '../ownership.ts';
import { revisionOf } from '../revision.ts';
import type { PodTemplate } from './primary-template.ts';

/**
 * Keeps the template that was promoted last, so that a primary someone deletes comes back as it was and not as the
 * target happens to be by then (Q10). It lies in a ControllerRevision beside the Canary, and goes away with it.
 */
export interface PromotedTemplates {
  /** The template of `status.lastPromotedSpec`, if it was kept. */
  find(canary: Canary): Promise<PodTemplate | undefined>;
  keep(canary: Canary, template: PodTemplate): Promise<void>;
  /** Forgets all but this template. */
  forgetOthers(canary: Canary, template: PodTemplate): Promise<void>;
}

/** Which Canary a ControllerRevision belongs to. */
const uidLabel = 'serin.dev/canary-uid';

export function createPromotedTemplates(kubernetes: Kubernetes): PromotedTemplates {
  return {
    async find(canary) {
      const revision = canary.status?.lastPromotedSpec ?? '';
      if (!revision.startsWith('v1:')) return undefined;
      const { namespace } = canary.metadata;
      const kept = await kubernetes.get(resources.controllerRevisions, namespace, nameOf(canary, revision));
      const { template } = (kept?.data ?? {}) as { readonly template?: PodTemplate };
      // The name holds only a part of the hash.
      return template && revisionOf(template) === revision ? template : undefined;
    },

    async keep(canary, template) {
      const revision = revisionOf(template);
      try {
        // What was kept can never change, hence one object for each template.
        await during(`keeping the template of ${nameOf(canary, revision)} failed`, () =>
          kubernetes.create(resources.controllerRevisions, {
            apiVersion: 'apps/v1',
            kind: 'ControllerRevision',
            metadata: {
              name: nameOf(canary, revision),
              namespace: canary.metadata.namespace,
              labels: { [uidLabel]: canary.metadata.uid ?? '' },
              annotations: { 'serin.dev/revision': revision },
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

    async forgetOthers(canary, template) {
      const { namespace, uid } = canary.metadata;
      const kept = nameOf(canary, revisionOf(template));
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
