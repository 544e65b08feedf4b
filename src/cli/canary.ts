import { text, UsageError, type Given } from './command.ts';

export interface CanaryName {
  readonly namespace: string;
  readonly name: string;
}

/** As people name one, and `canaryOf` reads it. */
export function nameOf({ namespace, name }: CanaryName): string {
  return `${namespace}/${name}`;
}

/** The Canary that a command is about: `<namespace>/<name>`, or a name and `--namespace`. */
export function canaryOf(given: Given): CanaryName {
  const [word = ''] = given.words;
  const [first = '', second, ...rest] = word.split('/');
  const namespace = second === undefined ? text(given, 'namespace') : first;
  const name = second ?? first;
  if (!namespace || !name || rest.length > 0) {
    throw new UsageError(`"${word}" names no Canary; write <namespace>/<name>, or a name and --namespace`);
  }
  return { namespace, name };
}
