import { readFileSync } from 'node:fs';
import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { failureType } from '../../errors.ts';
import { renderQuery, type QueryModel } from './template.ts';

const model: QueryModel = {
  name: 'shop',
  namespace: 'prod',
  target: 'shop-dep',
  service: 'shop-svc',
  ingress: 'shop-ing',
  route: 'shop-route',
  interval: '1m',
  variables: { b: '2', a: '1', cluster: 'eu', empty: '' },
};

/**
 * Templates people wrote, and templates that try every corner, each with what Go's own text/template made of it with
 * the model above: a text, an error, or (`refused`) an error that we put in other words.
 */
const cases = JSON.parse(readFileSync(new URL('./template-cases.json', import.meta.url), 'utf8')) as {
  template: string;
  text?: string;
  error?: string;
  refused?: boolean;
}[];

function attempt(template: string): { text?: string; error?: string; type?: string } {
  try {
    return { text: renderQuery(template, model) };
  } catch (error) {
    return { error: (error as Error).message, type: failureType(error) };
  }
}

describe('a query template renders as Go renders it', () => {
  it.each(cases.filter(({ text }) => text !== undefined))('$template', ({ template, text }) => {
    expect(attempt(template)).toEqual({ text });
  });
});

describe('a query template fails as it does in Go', () => {
  it.each(cases.filter(({ error }) => error !== undefined))('$template', ({ template, error }) => {
    expect(attempt(template)).toEqual({ error, type: 'InvalidSpec' });
  });

  it.each(cases.filter(({ refused }) => refused))('$template, in our words', ({ template }) => {
    expect(attempt(template)).toEqual({
      error: expect.stringMatching(/^template (parsing|excution) failed: template: tmpl:\d+/),
      type: 'InvalidSpec',
    });
  });
});

describe('Flagger conformance', () => {
  it.each([
    ['ok_without_variables', '{{ namespace }}_{{ target }}', 'prod_shop-dep'],
    ['ok_with_variables', '{{ variables.cluster }}/{{ variables.a }}[{{ interval }}]', 'eu/1[1m]'],
  ])('Test_RenderQuery/%s', (_test, template, text) => {
    expect(renderQuery(template, model)).toBe(text);
  });

  it('Test_RenderQuery/missing_variable_key', () => {
    expect(() => renderQuery('{{ variables.missing }}', model)).toThrow(
      'template excution failed: template: tmpl:1:3: executing "tmpl" at <variables>: map has no entry for key "missing"',
    );
  });
});

it('an unknown function is found before anything is rendered', () => {
  expect(() => renderQuery('{{ if false }}{{ args.name }}{{ end }}', model)).toThrow(
    'template parsing failed: template: tmpl:1: function "args" not defined',
  );
});

it.each(['{{ define "x" }}{{ end }}', '{{ template "x" }}', '{{ block "x" . }}{{ end }}', '{{ break }}'])(
  '%s is refused by name, as no query needs it',
  (template) => {
    expect(attempt(template).error).toMatch(/action \{\{\w+\}\} is not supported in queries$/);
  },
);

it.each([
  '{{ range 100000 }}{{ range 100000 }}x{{ end }}{{ end }}',
  '{{ range 99999999999 }}x{{ end }}',
  '{{ $x := "0123456789" }}{{ range 60 }}{{ $x = printf "%s%s" $x $x }}{{ end }}{{ $x }}',
  '{{ printf "%999999999d" 1 }}',
])('%s does not exhaust the worker', (template) => {
  const { text, error } = attempt(template);
  expect((text ?? error)!.length).toBeLessThan(10_000);
});

it('names of objects every JavaScript object has are no variables and no functions', () => {
  expect(attempt('{{ variables.constructor }}').error).toContain('map has no entry for key "constructor"');
  expect(attempt('{{ toString }}').error).toContain('function "toString" not defined');
  expect(renderQuery('{{ index variables "__proto__" }}', model)).toBe('');
});

it('any text either renders or is refused as an invalid spec', () => {
  const pieces = [
    '{{',
    '}}',
    '{{- ',
    ' -}}',
    'if ',
    'end',
    'else',
    'range ',
    '$x',
    ':=',
    '=',
    '.',
    '.a',
    '"',
    '`',
    "'",
  ];
  const more = [
    'target',
    'variables',
    'printf',
    'len',
    '(',
    ')',
    '|',
    ' ',
    '\n',
    '1',
    '1.5',
    '%s',
    ',',
    '/*',
    '*/',
    '\\',
    'é',
  ];
  const text = fc.array(fc.constantFrom(...pieces, ...more), { maxLength: 14 }).map((parts) => parts.join(''));
  fc.assert(
    fc.property(text, (template) => {
      const { text: rendered, type } = attempt(template);
      return rendered !== undefined || type === 'InvalidSpec';
    }),
    { numRuns: 3000 },
  );
});
