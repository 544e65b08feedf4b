import { readFileSync } from 'node:fs';
import { parseAllDocuments } from 'yaml';
import { providers } from '../activities/routers/index.ts';
import { settingsTable } from '../config.ts';
import { messageOf } from '../errors.ts';
import { parseAlertProvider } from '../schemas/alert-provider.ts';
import { parseCanary } from '../schemas/canary.ts';
import { parseMetricTemplate } from '../schemas/metric-template.ts';
import { unknownFields } from '../schemas/parse.ts';
import { validate, type Finding } from '../schemas/validate.ts';
import { CommandError, text, UsageError, type Command } from './command.ts';
import { print } from './output.ts';

/** Something about an object of a file. */
interface Remark extends Pick<Finding, 'level' | 'message'> {
  readonly file: string;
  /** `<Kind> <name>`. */
  readonly object: string;
}

export const lint: Command = {
  usage: '<file> …',
  summary: 'What is wrong with Canaries, MetricTemplates and AlertProviders, before they are applied. "-" reads stdin.',
  options: {
    'mesh-provider': { type: 'string', text: 'provider of Canaries that name none; default istio' },
    'no-cross-namespace-refs': { type: 'boolean', text: 'refuse references to other namespaces' },
  },
  // eslint-disable-next-line @typescript-eslint/require-await -- a failure is a rejection, as with the other commands
  async run(given, terminal) {
    if (given.words.length === 0) throw new UsageError('name at least one file');
    const settings = {
      providers,
      meshProvider: text(given, 'mesh-provider') ?? settingsTable.meshProvider.fallback,
      noCrossNamespaceRefs: given.options['no-cross-namespace-refs'] === true,
    };
    const remarks = given.words.flatMap((file) =>
      objectsIn(file).flatMap((object) => remarksOn(object, settings).map((remark) => ({ file, ...remark }))),
    );
    print(terminal, given, remarks, () =>
      remarks.map(({ file, object, level, message }) => ({
        LEVEL: level,
        FILE: file,
        OBJECT: object,
        MESSAGE: message,
      })),
    );
    if (remarks.length === 0) terminal.err('nothing to say');
    return remarks.some(({ level }) => level === 'error') ? 1 : 0;
  },
};

function objectsIn(file: string): readonly unknown[] {
  try {
    const content = readFileSync(file === '-' ? 0 : file, 'utf8');
    return parseAllDocuments(content).flatMap((document) => {
      if (document.errors[0]) throw document.errors[0];
      const object: unknown = document.toJS();
      return object === null ? [] : [object];
    });
  } catch (error) {
    throw new CommandError(`${file}: ${messageOf(error)}`);
  }
}

function remarksOn(object: unknown, settings: Parameters<typeof validate>[1]): Omit<Remark, 'file'>[] {
  const { apiVersion, kind, metadata } = (object ?? {}) as {
    apiVersion?: string;
    kind?: string;
    metadata?: { name?: string };
  };
  if (apiVersion !== 'flagger.app/v1beta1') return [];
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
      const found = validate(parsed.canary, settings).map(({ level, message }) => remark(level, message));
      return [...found, ...dropped(parsed.canary)];
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
