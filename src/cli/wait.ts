import { setTimeout as sleep } from 'node:timers/promises';
import type { Deps } from '../activities/deps.ts';
import { createParts, type Parts } from '../activities/parts.ts';
import { canaryStatus, storedStatus } from '../activities/status.ts';
import { createHttp } from '../clients/http.ts';
import { createKubernetes, loadKubeConfig } from '../clients/kubernetes-client.ts';
import { resources, type Resource } from '../clients/kubernetes.ts';
import { fieldManager } from '../config.ts';
import { failureType, messageOf } from '../errors.ts';
import { parseCanary } from '../schemas/canary.ts';
import { formatDuration, parseDuration } from '../schemas/duration.ts';
import { targetKindOf } from '../schemas/targets.ts';
import { became, type Became } from '../workflows/domain/became.ts';
import type { CanaryStatus } from '../workflows/domain/observation.ts';
import { canaryOf, nameOf, type CanaryName } from './canary.ts';
import { CommandError, text, UsageError, type Command } from './command.ts';
import { print } from './output.ts';
import { settingsIn } from './settings.ts';

/** What the wait came to. */
export interface Verdict {
  readonly outcome: Became['outcome'] | 'deleted' | 'timed out';
  readonly revision: string;
  readonly message: string;
}

/** One for each outcome, so that a pipeline can tell them apart; 1 and 2 are what they are for every command. */
export const exitCodes: Readonly<Record<Verdict['outcome'], number>> = {
  promoted: 0,
  'rolled back': 3,
  superseded: 4,
  'timed out': 5,
  deleted: 6,
};

export const wait: Command = {
  usage: '<namespace>/<canary>',
  summary:
    'Wait until the revision that the target has now is promoted (0), rolled back (3), superseded (4) or deleted (6).',
  options: {
    image: { type: 'string', text: 'an image that the target has to have, or it is not waited for' },
    revision: { type: 'string', text: 'wait for this revision and not for the one that the target has' },
    timeout: { type: 'string', short: 't', text: 'a duration such as 90s or 1h; exit code 5 after it; default 30m' },
  },
  async run(given, terminal) {
    const canary = canaryOf(given);
    const timeoutMs = parseDuration(text(given, 'timeout') ?? '30m');
    if (timeoutMs === undefined) throw new UsageError('--timeout is no duration; write one such as 90s, 30m or 1h');
    const deps = depsOf(terminal.env);
    const [image, asked] = [text(given, 'image'), text(given, 'revision')];
    if (image !== undefined) await checkImage(deps, canary, image);
    const verdict = await waitFor(deps, canary, { revision: asked, timeoutMs, tell: (line) => terminal.err(line) });
    print(terminal, given, verdict, () => [
      {
        CANARY: nameOf(canary),
        OUTCOME: verdict.outcome,
        REVISION: verdict.revision.slice(0, 15),
        MESSAGE: verdict.message,
      },
    ]);
    return exitCodes[verdict.outcome];
  },
};

function depsOf(env: Readonly<Record<string, string | undefined>>): Deps {
  const settings = settingsIn(env);
  try {
    const kubernetes = createKubernetes(loadKubeConfig(settings.kubeconfig || env.KUBECONFIG), { fieldManager });
    return { kubernetes, mesh: kubernetes, http: createHttp(), settings };
  } catch (error) {
    throw new CommandError(`no cluster: ${messageOf(error)}; set KUBECONFIG`);
  }
}

export interface WaitOptions {
  /** Default: the one that the target has when it is first seen. */
  readonly revision?: string;
  readonly timeoutMs: number;
  /** Milliseconds between looks. */
  readonly everyMs?: number;
  readonly tell?: (line: string) => void;
}

/**
 * Looks at the Canary and its target until it is known what became of a revision. What the status says of another one, such
 * as the success before, is no answer.
 */
export async function waitFor(deps: Deps, canary: CanaryName, options: WaitOptions): Promise<Verdict> {
  const { timeoutMs, everyMs = 2_000, tell = () => undefined } = options;
  const parts = createParts(deps);
  const until = Date.now() + timeoutMs;
  let { revision } = options;
  let trouble = '';
  for (;;) {
    try {
      const seen = await see(deps, parts, canary);
      if (!seen) return { outcome: 'deleted', revision: revision ?? '', message: 'the Canary does not exist' };
      revision ??= seen.target;
      const verdict = became(revision, seen);
      if (verdict) return { revision, ...verdict };
      trouble = '';
    } catch (error) {
      // An API server that is away for a moment decides nothing.
      if (failureType(error) === undefined) throw error;
      if (trouble !== messageOf(error)) tell(`still waiting: ${messageOf(error)}`);
      trouble = messageOf(error);
    }
    if (Date.now() + everyMs > until) {
      const message = `not decided within ${formatDuration(timeoutMs)}${trouble ? `: ${trouble}` : ''}`;
      return { outcome: 'timed out', revision: revision ?? '', message };
    }
    await sleep(everyMs);
  }
}

interface Seen {
  readonly status: CanaryStatus;
  /** Revision of the target, now. */
  readonly target: string;
  /** The message of the `Promoted` condition. */
  readonly said: string;
}

async function see({ kubernetes }: Deps, parts: Parts, { namespace, name }: CanaryName): Promise<Seen | undefined> {
  const object = await kubernetes.get(resources.canaries, namespace, name);
  if (!object || object.metadata.deletionTimestamp) return undefined;
  const parsed = parseCanary(object);
  if ('problem' in parsed) throw new CommandError(`the Canary cannot be read: ${parsed.problem}`);
  const stored = storedStatus(object);
  const said = stored.conditions?.find(({ type }) => type === 'Promoted')?.message ?? '';
  const { target } = await parts.workload(parsed.canary).look(parsed.canary);
  return { status: canaryStatus(stored), target: target.revision, said };
}

const kindsWithImages: ReadonlyMap<string, Resource> = new Map<string, Resource>([
  ['Deployment', resources.deployments],
  ['DaemonSet', resources.daemonSets],
  ['Knative Service', resources.knativeServices],
]);

/** @throws CommandError when no container of the target has the image */
async function checkImage({ kubernetes }: Deps, { namespace, name }: CanaryName, image: string): Promise<void> {
  const canary = await kubernetes.get(resources.canaries, namespace, name);
  if (!canary) throw new CommandError(`there is no Canary ${namespace}/${name}`);
  const { targetRef } = canary.spec as { targetRef: { apiVersion: string; kind: string; name: string } };
  const resource = kindsWithImages.get(targetKindOf(targetRef));
  if (!resource)
    throw new CommandError(`a target of kind ${targetRef.kind} has no image to wait for; leave --image out`);
  const target = await kubernetes.get(resource, namespace, targetRef.name);
  const { template } = (target?.spec ?? {}) as { template?: { spec?: { containers?: { image?: string }[] } } };
  const images = (template?.spec?.containers ?? []).map((container) => container.image ?? '');
  if (images.some((one) => one === image || one.startsWith(`${image}@`))) return;
  throw new CommandError(`the target has ${images.join(', ') || 'no containers'}, and not ${image}`);
}
