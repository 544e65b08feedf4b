import { readdirSync } from 'node:fs';
import { describe, expect, it } from '@jest/globals';
import { Ajv } from 'ajv';
import { parse } from 'yaml';
import { read } from '../support/manifests.ts';

const folder = 'deploy/charts/serin/charts/temporal';
const values = parse(read(`${folder}/values.yaml`)) as Record<string, Record<string, unknown>>;
const validate = new Ajv({ strictTypes: false }).compile(JSON.parse(read(`${folder}/values.schema.json`)) as object);

interface Image {
  readonly repository: string;
  readonly tag: string;
}

describe('the chart of Temporal', () => {
  it('runs what docker-compose.yml runs', () => {
    const { services } = parse(read('docker-compose.yml'), { merge: true }) as {
      services: Readonly<Record<string, { readonly image: string }>>;
    };
    const pairs = { server: 'temporal', adminTools: 'temporal-schema', postgresql: 'postgresql', ui: 'temporal-ui' };
    for (const [part, service] of Object.entries(pairs)) {
      const { repository, tag } = values[part]!.image as Image;
      expect(`${repository}:${tag}`).toBe(services[service]!.image);
    }
    const { appVersion } = parse(read(`${folder}/Chart.yaml`)) as { appVersion: string };
    expect(appVersion).toBe((values.server!.image as Image).tag);
  });

  it('remembers runs for longer than any sender tells a push again', () => {
    const hours = Number(/^(\d+)h$/.exec((values.namespace as { retention: string }).retention)?.[1]);
    expect(hours).toBeGreaterThanOrEqual(8 * 24);
    expect(read('docs/providers/triggers.md')).toContain('retention at eight days or more');
  });

  it('has a comment at each value', () => {
    const lines = read(`${folder}/values.yaml`).split('\n');
    const leaves = lines.filter((line) => /^ *[A-Za-z.]+: \S/.test(line) && !/^ *(requests|limits): /.test(line));
    const groups = lines.filter((line) => /^ *(resources|dynamicConfig):/.test(line));
    for (const line of [...leaves, ...groups]) {
      expect([line, lines[lines.indexOf(line) - 1]]).toEqual([line, expect.stringMatching(/^ *# /)]);
    }
    expect(leaves.length).toBeGreaterThan(30);
  });

  it('takes its own values, and what a parent chart hands down', () => {
    expect([validate(values), validate.errors]).toEqual([true, null]);
    expect(validate({ ...values, global: {}, enabled: false })).toBe(true);
  });

  it.each([
    ['a value that does not exist', { servr: {} }],
    ['a retention in days', { namespace: { name: 'default', retention: '3d' } }],
    ['a PostgreSQL without a Secret', { postgresql: { external: { host: 'db.example.com' } } }],
  ])('refuses %s', (_, wrong) => {
    expect(validate({ ...values, ...wrong })).toBe(false);
  });

  it('has a schema for each value', () => {
    const known = (schema: { properties?: Record<string, object> }, value: object, path: string): string[] =>
      Object.entries(value).flatMap(([key, inner]: [string, unknown]) => {
        const found = schema.properties?.[key];
        if (!found) return schema.properties ? [`${path}.${key}`] : [];
        return inner && typeof inner === 'object' && !Array.isArray(inner) ? known(found, inner, `${path}.${key}`) : [];
      });
    const schema = JSON.parse(read(`${folder}/values.schema.json`)) as object;
    expect(known(schema, values, '')).toEqual([]);
  });

  it('reads each value that it documents, and no other', () => {
    const templates = readdirSync(new URL(`../../${folder}/templates`, import.meta.url))
      .map((file) => read(`${folder}/templates/${file}`))
      .join('\n');
    const used = [...templates.matchAll(/\.Values\.([A-Za-z.]+)/g)].map(([, path]) => path!);
    for (const path of used) {
      const found = path.split('.').reduce<unknown>((at, key) => (at as Record<string, unknown>)?.[key], values);
      expect([path, found]).toEqual([path, expect.anything()]);
    }
    const tops = new Set(used.map((path) => path.split('.')[0]!));
    expect(Object.keys(values).filter((key) => key !== 'enabled' && !tops.has(key))).toEqual([]);
  });

  it('writes passwords into Secrets alone', () => {
    for (const file of ['server', 'namespace', 'ui']) {
      expect(read(`${folder}/templates/${file}.yaml`)).not.toMatch(/name: \w*(PASSWORD|PWD)\b/);
    }
    expect(read(`${folder}/templates/_helpers.tpl`)).toContain('secretKeyRef');
  });
});
