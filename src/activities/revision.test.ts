import { describe, expect, it } from '@jest/globals';
import { canonicalJson, revisionOf, sameJson, sameTemplate } from './revision.ts';

const template = {
  metadata: { labels: { app: 'shop' }, annotations: { 'prometheus.io/scrape': 'true' } },
  spec: { containers: [{ name: 'shop', image: 'shop:1.0', ports: [{ containerPort: 8080 }] }] },
};

describe('the revision of a pod template', () => {
  it('carries a version, so that it cannot be taken for a hash of Flagger', () => {
    expect(revisionOf(template)).toMatch(/^v1:[0-9a-f]{64}$/);
  });

  it('Q23: stays what it is from release to release of Serin: a change here would start a release of everything', () => {
    expect(revisionOf(template)).toBe('v1:1aa074946a684cc6be4cae0e43fdf7ebc478609becd755765e1cac4d7dd1acde');
  });

  it.each([
    ['its keys come in another order', { spec: template.spec, metadata: template.metadata }],
    [
      'a creation timestamp is written out',
      { ...template, metadata: { ...template.metadata, creationTimestamp: null } },
    ],
    ['a default appears as an empty map', { ...template, spec: { ...template.spec, securityContext: {} } }],
    ['an empty list is written out', { ...template, spec: { ...template.spec, volumes: [] } }],
    ['a field is null', { ...template, spec: { ...template.spec, affinity: null } }],
    [
      'Serin has left a note on it',
      {
        ...template,
        metadata: { ...template.metadata, annotations: { ...template.metadata.annotations, 'serin.dev/x': '1' } },
      },
    ],
  ])('does not change when %s', (_, other) => {
    expect(sameTemplate(other, template)).toBe(true);
  });

  it.each([
    ['the image', { ...template, spec: { containers: [{ ...template.spec.containers[0], image: 'shop:1.1' }] } }],
    ['a label', { ...template, metadata: { ...template.metadata, labels: { app: 'shop', tier: 'web' } } }],
    [
      'the annotation of kubectl rollout restart',
      {
        ...template,
        metadata: {
          ...template.metadata,
          annotations: { 'kubectl.kubernetes.io/restartedAt': '2026-01-01T00:00:00Z' },
        },
      },
    ],
    ['the order of containers', { ...template, spec: { containers: [{ name: 'log' }, ...template.spec.containers] } }],
  ])('changes with %s', (_, other) => {
    expect(sameTemplate(other, template)).toBe(false);
  });
});

describe('canonical JSON', () => {
  it('keeps the place of an item that says nothing: an empty match is a match', () => {
    expect(canonicalJson({ match: [{}, { port: 1 }] })).toBe('{"match":[null,{"port":1}]}');
    expect(sameJson({ match: [{}] }, {})).toBe(false);
  });

  it('keeps zero, false and the empty text, which are answers', () => {
    expect(canonicalJson({ c: '', b: false, a: 0 })).toBe('{"a":0,"b":false,"c":""}');
  });
});
