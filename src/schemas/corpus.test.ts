import { describe, expect, it } from '@jest/globals';
import { corpus, type Manifest } from '../../test/corpus/manifests.ts';
import { parseAlertProvider } from './alert-provider.ts';
import { providers } from '../activities/routers/index.ts';
import { parseCanary } from './canary.ts';
import { parseMetricTemplate } from './metric-template.ts';
import { unknownFields } from './parse.ts';
import { validate } from './validate.ts';

/** What the parser takes and the API server does not: older objects hold it, and its meaning is clear. */
const lenient = ['canary/47-legacy-canary-analysis.yaml', 'alertprovider/04-address-and-secret.yaml'];

/** Warnings that take other objects, or a person, to see. */
const unseen = [
  'canary/41-port-name-collision.yaml', // the container ports of the target
  'canary/59-rollback-hook-as-notifier.yaml', // what the address means
  'canary/74-connection-pool-tcp.yaml', // is kept here, so nothing is amiss
  'metrictemplate/04-prom-template-variable.yaml', // the Canaries that use it
  'metrictemplate/14-prom-unknown-function.yaml', // the template language
  'metrictemplate/44-prom-average-of-a-range.yaml', // PromQL
  'metrictemplate/47-cloudwatch-one-statistic.yaml', // the provider
  'alertprovider/16-placeholder-address.yaml', // sending it
];

function judge({ object }: Manifest) {
  const parsed =
    object.kind === 'MetricTemplate'
      ? parseMetricTemplate(object)
      : object.kind === 'AlertProvider'
        ? parseAlertProvider(object)
        : parseCanary(object);
  if ('problem' in parsed) return { problem: parsed.problem, findings: [], unknown: [] };
  const findings =
    'canary' in parsed
      ? validate(parsed.canary, { noCrossNamespaceRefs: false, meshProvider: 'istio', providers })
      : [];
  const value = Object.values(parsed)[0] as { spec: unknown };
  return { findings, unknown: unknownFields(object, value) };
}

const cases = (...verdicts: Manifest['verdict'][]) =>
  corpus.filter(({ verdict }) => verdicts.includes(verdict)).map((manifest) => [manifest.file, manifest] as const);

describe('of the manifests people wrote', () => {
  it('there are as many as there were', () => {
    const count = (folder: string) => corpus.filter(({ file }) => file.startsWith(`${folder}/`)).length;
    expect([count('canary'), count('metrictemplate'), count('alertprovider')]).toEqual([67, 34, 14]);
  });

  it.each(cases('valid', 'warning'))('%s is acted on, as far as this version can', (_, manifest) => {
    const { problem, findings } = judge(manifest);
    expect(problem).toBeUndefined();
    expect(findings.filter(({ level, id }) => level === 'error' && !id.startsWith('unsupported-'))).toEqual([]);
  });

  it.each(cases('valid'))('%s has no unknown field', (_, manifest) => {
    expect(judge(manifest).unknown).toEqual([]);
  });

  it.each(cases('warning').filter(([file]) => !unseen.includes(file)))('%s gets a warning', (_, manifest) => {
    const { findings, unknown } = judge(manifest);
    const warnings = findings.filter(({ level, id }) => level === 'warning' && id !== 'window-above-interval');
    expect([...warnings, ...unknown]).not.toEqual([]);
  });

  it.each(cases('rejected by schema', 'rejected by version').filter(([file]) => !lenient.includes(file)))(
    '%s is refused by the schema',
    (_, manifest) => {
      expect(judge(manifest).problem).toEqual(expect.any(String));
    },
  );

  it.each(cases('rejected by schema').filter(([file]) => lenient.includes(file)))(
    '%s is read, though no API server stores it',
    (_, manifest) => {
      expect(judge(manifest)).toMatchObject({ findings: expect.not.arrayContaining([{ level: 'error' }]) });
    },
  );

  it.each(cases('rejected by controller'))('%s is refused by validation', (_, manifest) => {
    const { problem, findings } = judge(manifest);
    expect(problem).toBeUndefined();
    expect(findings.filter(({ level, id }) => level === 'error' && !id.startsWith('unsupported-'))).not.toEqual([]);
  });
});
