import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { isMap, isScalar, parseDocument, type Pair } from 'yaml';
import { chart } from '../chart.ts';
import { code, heading, markdownTable } from './page.ts';

/** A value of the chart: a single one, a list, or a map that users fill. */
export interface Value {
  readonly path: string;
  readonly fallback: unknown;
  /** From the comment above it, or else above what it belongs to. */
  readonly about: string;
}

/** Maps that are one value each, for people to fill. */
const whole = /(^|\.)(resources|labels|requests|limits)$/;

/** All values of the chart, in the order of its values file. */
export function chartValues(): readonly Value[] {
  const document = parseDocument(readFileSync(join(chart, 'values.yaml'), 'utf8'));
  const { contents } = document;
  if (!isMap(contents)) throw new Error('values.yaml is no map');
  return contents.items.flatMap((pair) => [...walk(pair, '', '')]);
}

function* walk({ key, value }: Pair, parent: string, inherited: string): Generator<Value> {
  if (!isScalar(key)) return;
  const path = parent === '' ? String(key.value) : `${parent}.${String(key.value)}`;
  // The comment above the first key of a map belongs to the map for the parser.
  const own = commentOf(key.commentBefore ?? undefined);
  const about = own === '' ? inherited : own;
  if (isMap(value) && value.items.length > 0 && !whole.test(path)) {
    const [first] = value.items;
    const lead = commentOf((value as { commentBefore?: string | null }).commentBefore ?? undefined);
    for (const pair of value.items) yield* walk(pair, path, pair === first && lead !== '' ? lead : '');
    return;
  }
  yield { path, fallback: (value as { toJSON?: () => unknown } | null)?.toJSON?.() ?? null, about };
}

/** Only what is marked for readers, the last mark of several. */
function commentOf(text = ''): string {
  const marked = text.split(/^ ?-- /m);
  return marked.length < 2
    ? ''
    : marked
        .at(-1)!
        .split('\n')
        .map((line) => line.trim())
        .join(' ')
        .replace(/\.$/, '');
}

export function valuesPage(): string {
  const rows = chartValues().map(({ path, fallback, about }) => [code(path), code(JSON.stringify(fallback)), about]);
  return `${heading('The chart', 'values.yaml')}
Installs worker and starter, two of each, with the least that they need. [Operations](../../../docs/operations.md#install) walks through it;
[permissions.md](../../../docs/reference/permissions.md) lists what each may do, [settings.md](../../../docs/reference/settings.md) every setting behind the
values. Values of Flagger's chart keep their names: [migrate-from-flagger.md](../../../docs/migrate-from-flagger.md).

\`\`\`sh
helm upgrade --install serin deploy/charts/serin --namespace serin-system --create-namespace \\
  --set temporal.address=temporal-frontend.temporal.svc:7233 --set metricsServer=http://prometheus.istio-system.svc:9090
\`\`\`

A wrong value stops Helm and is named; \`values.schema.json\` says what each may be.

${markdownTable(['value', 'default', 'is'], rows)}
`;
}
