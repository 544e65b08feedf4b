import { flagOf, ignoredFlags, settingsTable } from '../../src/config.ts';
import { code, heading, markdownTable } from './page.ts';

/** Every setting, the flags of Flagger, and the variables of libraries that mean something to Serin. */
export function settingsPage(): string {
  return `${heading('Settings', 'src/config')}
Read at the start, in the worker (W) and the starter (S): from flags, from variables, in this order; for what is marked with ¹ the variable wins, as
in Flagger. A value that cannot be stops the start and is named, with what would be right. \`serin config\` prints what a process of this environment
would take, and where each value comes from. Secrets are never printed; give them as variables, since flags can be read by whoever may read the pod.

${ours()}

## Flagger’s flags

\`args\` of a Deployment of Flagger go on working. A flag that nobody knows stops the start, with the nearest name there is.

${flaggers()}

## Variables of the command line

${markdownTable(['variable', 'meaning'], [...commandLine])}

## Temporal

The connection to Temporal has the variables that Temporal's own tools read, in worker, starter and command line:

${markdownTable(['variable', 'meaning'], [...temporal])}

## Variables of libraries

${markdownTable(['variable', 'read by', 'meaning'], [...libraries])}
`;
}

function ours(): string {
  const entries = Object.values(settingsTable);
  const rows = entries.map((entry) => [
    entry.env.map(code).join(', ') + (entry.envWins ? '¹' : ''),
    entry.by.map((reader) => reader[0]!.toUpperCase()).join(', '),
    Array.isArray(entry.fallback) ? code(entry.fallback.join(',')) : code(String(entry.fallback ?? '')),
    entry.about.replace(/\.$/, '') + (entry.secret ? '. A secret' : ''),
    code(`-${flagOf(entry)}`),
  ]);
  return markdownTable(['variable', 'read by', 'default', 'meaning', 'flag'], rows);
}

function flaggers(): string {
  const kept = Object.values(settingsTable).flatMap(({ flagger, env }) =>
    flagger === undefined ? [] : [[code(`-${flagger}`), code(env[0]!)] as const],
  );
  const ignored = [...ignoredFlags].map(([name, why]) => [code(`-${name}`), `ignored: ${why}`] as const);
  const rows = [...kept, [code('-version'), 'prints the version, and ends'] as const, ...ignored];
  return markdownTable(
    ['flag', 'here'],
    rows.sort(([a], [b]) => a.localeCompare(b)),
  );
}

const commandLine = [
  ['`SERIN_ACTOR`', 'who sends orders: a claim. The user of the kubeconfig, else `USER`, if not set'],
  [
    '`SERIN_TOKEN`, `SERIN_TOKEN_FILE`',
    'signed token that proves who sends an order, or the file that holds it. A secret',
  ],
] as const;

const temporal = [
  ['`TEMPORAL_ADDRESS`, `TEMPORAL_NAMESPACE`', 'default `localhost:7233`, `default`'],
  ['`TEMPORAL_API_KEY`', 'for Temporal Cloud; turns TLS on. A secret'],
  ['`TEMPORAL_TLS`', '`true` for TLS with the system’s authorities'],
  [
    '`TEMPORAL_TLS_CLIENT_CERT_PATH`, `TEMPORAL_TLS_CLIENT_KEY_PATH`',
    'client certificate, read at the start: restart after a rotation',
  ],
  ['`TEMPORAL_TLS_SERVER_CA_CERT_PATH`, `TEMPORAL_TLS_SERVER_NAME`', 'authority and name of the server'],
  ['`TEMPORAL_CONFIG_FILE`, `TEMPORAL_PROFILE`', 'or all of it from a TOML file'],
] as const;

const libraries = [
  ['`KUBECONFIG`', 'W, S', 'the cluster, where `SERIN_KUBECONFIG` names none'],
  ['`HTTP_PROXY`, `HTTPS_PROXY`, `NO_PROXY`', 'W', 'for hooks, alerts and metrics providers'],
  [
    '`AWS_ENDPOINT_URL`, `AWS_REGION`, `AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY`, `AWS_SESSION_TOKEN`',
    'W',
    'of the object store of an audit sink in a bucket. Secrets',
  ],
  [
    '`OTEL_EXPORTER_OTLP_ENDPOINT`, `OTEL_EXPORTER_OTLP_HEADERS`, `OTEL_SERVICE_NAME`, `OTEL_TRACES_SAMPLER`, `OTEL_SDK_DISABLED`',
    'W, S',
    'where traces go, by OTLP over HTTP; nowhere if not set. Headers can be secrets',
  ],
  [
    '`NODE_OPTIONS`',
    'W, S',
    'how large Node lets its heaps grow; the chart derives it from the memory limit of the worker',
  ],
] as const;
