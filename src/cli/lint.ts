import { providers } from '../activities/routers/index.ts';
import type { KubernetesObject } from '../clients/kubernetes.ts';
import type { ProcessSettings } from '../config.ts';
import { isUnanchored } from '../images/policy.ts';
import { imageSettings } from '../images/settings.ts';
import { parseAlertProvider } from '../schemas/alert-provider.ts';
import { parseCanary, type Canary } from '../schemas/canary.ts';
import { parseImageTrigger } from '../schemas/image-trigger.ts';
import { parseMetricTemplate } from '../schemas/metric-template.ts';
import { unknownFields } from '../schemas/parse.ts';
import { validate, type Finding } from '../schemas/validate.ts';
import { text, UsageError, type Command } from './command.ts';
import { objectsIn } from './files.ts';
import { generatedFor } from './generated.ts';
import { print, table, type Row } from './output.ts';
import { settingsIn } from './settings.ts';

/** Something about an object of a file. */
interface Remark extends Pick<Finding, 'level' | 'message'> {
  readonly file: string;
  /** `<Kind> <name>`. */
  readonly object: string;
}

export const lint: Command = {
  usage: '<file> …',
  summary:
    'What is wrong with Canaries, ImageTriggers, MetricTemplates and AlertProviders, before they are applied. "-" reads stdin.',
  options: {
    'mesh-provider': { type: 'string', text: 'provider of Canaries that name none; default istio' },
    'no-cross-namespace-refs': { type: 'boolean', text: 'refuse references to other namespaces' },
    generated: {
      type: 'boolean',
      short: 'g',
      text: 'what Serin would make for the Canaries of the files; whole with -o yaml',
    },
  },
  async run(given, terminal) {
    if (given.words.length === 0) throw new UsageError('name at least one file');
    const provider = text(given, 'mesh-provider');
    const strict = given.options['no-cross-namespace-refs'] === true;
    const settings: ProcessSettings = {
      ...settingsIn(terminal.env),
      ...(provider === undefined ? {} : { meshProvider: provider }),
      ...(strict ? { noCrossNamespaceRefs: true } : {}),
    };
    const files = given.words.map((file) => ({ file, objects: objectsIn(file) }));
    const remarks = files.flatMap(({ file, objects }) =>
      objects.flatMap((object) => remarksOn(object, settings).map((remark) => ({ file, ...remark }))),
    );
    const failed = remarks.some(({ level }) => level === 'error') ? 1 : 0;
    if (given.options.generated !== true) {
      print(terminal, given, remarks, () => rowsOf(remarks));
      if (remarks.length === 0) terminal.err('nothing to say');
      return failed;
    }
    table(rowsOf(remarks)).forEach((line) => terminal.err(line));
    const manifests = files.flatMap(({ objects }) => objects);
    const all: KubernetesObject[] = [];
    for (const canary of canariesIn(manifests)) {
      const { objects, missing } = await generatedFor(canary, manifests, settings);
      all.push(...objects);
      if (missing !== undefined) terminal.err(`not all of ${canary.metadata.name}: ${missing}`);
    }
    print(terminal, given, all, () =>
      all.map(({ kind, metadata }) => ({ KIND: kind, NAMESPACE: metadata.namespace ?? '', NAME: metadata.name })),
    );
    return failed;
  },
};

function rowsOf(remarks: readonly Remark[]): Row[] {
  return remarks.map(({ file, object, level, message }) => ({
    LEVEL: level,
    FILE: file,
    OBJECT: object,
    MESSAGE: message,
  }));
}

function canariesIn(manifests: readonly unknown[]): Canary[] {
  return manifests.flatMap((object) => {
    if ((object as { kind?: unknown } | undefined)?.kind !== 'Canary') return [];
    const parsed = parseCanary(object);
    return 'problem' in parsed ? [] : [parsed.canary];
  });
}

function remarksOn(object: unknown, settings: ProcessSettings): Omit<Remark, 'file'>[] {
  const { apiVersion, kind, metadata } = (object ?? {}) as {
    apiVersion?: string;
    kind?: string;
    metadata?: { name?: string };
  };
  if (apiVersion !== (kind === 'ImageTrigger' ? 'serin.dev/v1alpha1' : 'flagger.app/v1beta1')) return [];
  const name = `${kind} ${metadata?.name ?? ''}`.trim();
  const remark = (level: Remark['level'], message: string) => ({ object: name, level, message });
  const dropped = (parsed: { readonly spec: unknown }) =>
    unknownFields(object, parsed).map((path) =>
      remark('warning', `${path}: is no field of a ${kind}, and is dropped by the API server`),
    );
  switch (kind) {
    case 'Canary': {
      const parsed = parseCanary(object);
      if ('problem' in parsed) return [remark('error', parsed.problem)];
      const found = validate(parsed.canary, { ...settings, providers }).map(({ level, message }) =>
        remark(level, message),
      );
      return [
        ...found,
        ...dropped(parsed.canary),
        ...imageRemarks(object as KubernetesObject).map((one) => remark(...one)),
      ];
    }
    case 'ImageTrigger': {
      const parsed = parseImageTrigger(object);
      if ('problem' in parsed) return [remark('error', parsed.problem)];
      const { name: canary } = parsed.trigger.spec.canaryRef;
      const about = { apiVersion: 'flagger.app/v1beta1', kind: 'Canary', metadata: { name: canary } };
      const said = imageRemarks(about, [object as KubernetesObject]).map((one) => remark(...one));
      return [...said, ...dropped(parsed.trigger)];
    }
    case 'MetricTemplate': {
      const parsed = parseMetricTemplate(object);
      return 'problem' in parsed ? [remark('error', parsed.problem)] : dropped(parsed.template);
    }
    case 'AlertProvider': {
      const parsed = parseAlertProvider(object);
      return 'problem' in parsed ? [remark('error', parsed.problem)] : dropped(parsed.provider);
    }
    case undefined:
    default:
      return [];
  }
}

/** What is wrong, or seldom meant, in what is asked for a Canary's images. */
function imageRemarks(
  canary: KubernetesObject,
  triggers: readonly KubernetesObject[] = [],
): (readonly [Remark['level'], string])[] {
  const wanted = imageSettings(canary, triggers);
  if (!wanted) return [];
  if ('problem' in wanted) return [['error', wanted.problem]];
  return wanted.settings.policies.flatMap(({ slot, written }) =>
    isUnanchored(written)
      ? [['warning', `container ${slot.name}: ${written} looks anywhere in a tag; anchor it with ^ and $`] as const]
      : [],
  );
}
