import { describe, expect, it } from '@jest/globals';
import {
  admissionCases,
  analysing,
  at,
  canary as manifest,
  serving,
  statusCases,
  superset,
  type Json,
} from '../../test/corpus/admission.ts';
import { accepted } from '../../test/corpus/manifests.ts';
import { parseAlertProvider } from './alert-provider.ts';
import { parseCanary } from './canary.ts';
import { parseMetricTemplate } from './metric-template.ts';
import { unknownFields } from './parse.ts';

function parse(object: Json): { readonly value?: object; readonly problem?: string } {
  switch (object.kind) {
    case 'MetricTemplate':
      return valueOf(parseMetricTemplate(object));
    case 'AlertProvider':
      return valueOf(parseAlertProvider(object));
    default:
      return valueOf(parseCanary(object));
  }
}

function valueOf(parsed: { readonly problem: string } | Readonly<Record<string, object>>) {
  return typeof parsed.problem === 'string'
    ? { problem: parsed.problem }
    : { value: Object.values(parsed as Record<string, object>)[0] };
}

describe('what the API server says, the parser says', () => {
  it.each(admissionCases.map((one) => [one.when, one] as const))('when %s', (_, { object, server, parser, stored }) => {
    const { value, problem } = parse(object);
    expect(problem === undefined ? 'accepts' : 'refuses').toBe(parser ?? server);
    if (value) for (const [path, kept] of Object.entries(stored ?? {})) expect(at(value, path)).toEqual(kept);
  });

  it.each(statusCases.filter(({ status }) => typeof status.lastTransitionTime !== 'string'))(
    'of a status, when $when',
    ({ status, server, stored }) => {
      const { value, problem } = parse(manifest({}, { status }));
      expect(problem === undefined ? 'accepts' : 'refuses').toBe(server);
      if (stored) expect(at(value, 'status')).toEqual(stored);
    },
  );

  it.each(accepted.map((object) => [`${object.kind} ${object.metadata.name}`, object] as const))(
    'and accepts the %s of the documentation whole',
    (_, object) => {
      const { value, problem } = parse(object);
      expect(problem).toBeUndefined();
      expect(unknownFields(object, value as { spec: unknown })).toEqual([]);
    },
  );
});

describe('a problem names the field and the cure', () => {
  it.each<[Json, string]>([
    [analysing({ stepWeight: 10.25 }), 'spec.analysis.stepWeight: 10.25 is not a whole number; write 10 or 11'],
    [analysing({ stepWeight: -0.5 }), 'spec.analysis.stepWeight: -0.5 is not a whole number; write -1 or 0'],
    [
      analysing({ stepWeight: undefined, stepWeights: [1, 2.5] }),
      'spec.analysis.stepWeights[1]: 2.5 is not a whole number; write 2 or 3',
    ],
    [serving({ port: 80.5 }), 'spec.service.port: 80.5 is not a whole number; write 80 or 81'],
    [serving({ port: 2 ** 31 }), 'spec.service.port: 2147483648 does not fit into 32 bits'],
    [analysing({ threshold: '5' }), 'spec.analysis.threshold: must be a number and is a text; remove the quotes'],
    [
      analysing({ webhooks: [{ name: 'a', url: 'b', metadata: { n: 1 } }] }),
      'spec.analysis.webhooks[0].metadata.n: must be a text and is a number; put it in quotes',
    ],
    [
      analysing({ interval: '1h' }),
      'spec.analysis.interval: "1h" is not a duration in minutes or seconds such as 30s, 5m or 1m30s',
    ],
    [
      analysing({ iterations: 5 }),
      'spec.analysis: has more than one of iterations, stepWeight and stepWeights; keep one',
    ],
    [analysing({ stepWeight: undefined }), 'spec.analysis: needs one of iterations, stepWeight and stepWeights'],
    [manifest({ analysis: undefined }), 'spec.analysis is missing'],
    [
      manifest({ targetRef: { name: 'shop', kind: 'StatefulSet' } }),
      'spec.targetRef.apiVersion is missing; ' +
        'spec.targetRef.kind: "StatefulSet" is not one of DaemonSet, Deployment, Service',
    ],
    [serving({ targetPort: true }), 'spec.service.targetPort: must be a whole number or a text'],
    [
      serving({ mirror: [{ backendRef: { name: 'x' } }] }),
      'spec.service.mirror[0].backendRef: Must have port for Service reference',
    ],
    [serving({ hosts: ['a', null] }), 'spec.service.hosts[1]: must be a text and is null'],
    [
      { ...manifest(), apiVersion: 'flagger.app/v1alpha3' },
      'apiVersion: "flagger.app/v1alpha3" is not flagger.app/v1beta1',
    ],
    [{}, 'apiVersion is missing; kind is missing; metadata is missing; spec is missing'],
  ])('%#: %j', (object, problem) => {
    expect(parseCanary(object)).toEqual({ problem });
  });

  it.each([undefined, null, 'text', 5, [], [null]])('and %j is no Canary', (object) => {
    expect(parseCanary(object)).toEqual({ problem: expect.stringMatching(/^the object/) });
  });

  it('without a word of what may be secret', () => {
    const spec = { provider: { type: 'prometheus', headers: { authorization: 'hush' } }, query: '1' };
    const template = { ...manifest(), kind: 'MetricTemplate', spec };
    expect(parseMetricTemplate(template)).toEqual({
      problem: 'spec.provider.headers.authorization: must be a list and is a text',
    });
  });
});

describe('what is kept', () => {
  it('is exactly what was written, where the five defaults say nothing', () => {
    const object = serving({ gateways: ['a/b'], hosts: ['*'], retries: { attempts: 0 } });
    expect(parseCanary(object)).toEqual({ canary: { ...object, spec: { ...object.spec } } });
  });

  it('BC-33: is the whole of what is meant for the mesh', () => {
    const { canary } = parseCanary(superset) as { canary: Json };
    expect(canary.spec.service.trafficPolicy).toEqual(superset.spec.service.trafficPolicy);
    expect(canary.spec.analysis.approvals).toEqual(superset.spec.analysis.approvals);
  });

  it('BC-33: and what Istio may add to its types later', () => {
    const later = {
      trafficPolicy: { proxyProtocol: { version: 'V2' }, connectionPool: { http: { useClientProtocol: true } } },
      corsPolicy: { unmatchedPreflights: 'IGNORE' },
      match: [{ statPrefix: 'a' }],
      retries: { attempts: 1, retryRemoteLocalities: true },
    };
    const { canary } = parseCanary(serving(later)) as { canary: Json };
    expect(canary.spec.service).toEqual({ port: 80, ...later });
  });

  it('is nothing that the schema does not know, and lint can tell what that was', () => {
    const object = manifest({
      strategy: 'canary',
      webhooks: [],
      service: { port: 80, kind: 'x', hosts: null },
      analysis: { interval: '1m', threshold: 5, stepWeight: 10, metrics: [{ name: 'a', provider: {} }] },
    });
    const { canary } = parseCanary(object) as { canary: Json };
    expect(Object.keys(canary.spec).sort()).toEqual(['analysis', 'service', 'targetRef']);
    expect([...unknownFields(object, canary as { spec: unknown })].sort()).toEqual([
      'spec.analysis.metrics[0].provider',
      'spec.service.kind',
      'spec.strategy',
      'spec.webhooks',
    ]);
  });

  it('lives in the default namespace when a manifest names none', () => {
    expect(parseCanary({ ...manifest(), metadata: { name: 'shop' } })).toMatchObject({
      canary: { metadata: { namespace: 'default' } },
    });
  });
});
