import type { Kubernetes, KubernetesObject } from './kubernetes.ts';

/**
 * The same cluster, whose objects are each read once: whoever asks again gets the answer that the first got, a failure too.
 * For one look at the world, whose parts then speak of the same versions, and ask for nothing twice. Lists, watches and
 * writes go through as they are.
 */
export function readOnce(kubernetes: Kubernetes): Kubernetes {
  const answers = new Map<string, Promise<KubernetesObject | undefined>>();
  return {
    ...kubernetes,
    get(resource, namespace, name) {
      const key = [resource.apiVersion, resource.plural, namespace, name].join('/');
      const known = answers.get(key);
      if (known) return known;
      const answer = kubernetes.get(resource, namespace, name);
      answers.set(key, answer);
      return answer;
    },
  };
}
