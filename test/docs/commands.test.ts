import { existsSync, readFileSync, globSync } from 'node:fs';
import { beforeAll, describe, expect, it } from '@jest/globals';
import { parse } from 'yaml';
import { chart, helm, objectsOf, renderChart } from '../../local/chart.ts';
import { provideTools } from '../../local/tools.ts';
import { commands, parseWords } from '../../src/cli/index.ts';
import { messageOf } from '../../src/errors.ts';
import { install, read } from '../support/manifests.ts';
import { blocksOf, pages, proseIn } from '../support/markdown.ts';
import { programOf, type Parsed, type Program } from '../support/programs.ts';
import { commandsIn, type Invocation } from '../support/shell.ts';

/*
 * The commands that the pages give: what they call exists, and is called as it wants to be. What they do is for other
 * tests; here nothing is run but helm, which renders the chart with the values of each install.
 */
const top = new URL('../..', import.meta.url);
const inTop = (path: string) => existsSync(new URL(path, top));
/** What an installation has, with everything that can be asked for. */
const objects = [...install(), ...objectsOf(renderChart({ set: { 'temporalServer.enabled': true } }))];
const { scripts } = JSON.parse(read('package.json')) as { scripts: Readonly<Record<string, string>> };
const { services } = parse(read('docker-compose.yml'), { merge: true }) as {
  services: Readonly<Record<string, unknown>>;
};
let kubectl: Program;
let helmProgram: Program;
let temporal: Program;

beforeAll(async () => {
  const tools = await provideTools(['kubectl', 'helm', 'temporal'], () => undefined);
  kubectl = programOf('kubectl', tools.kubectl, ['options']);
  helmProgram = programOf('helm', tools.helm, ['--help']);
  temporal = programOf('temporal', tools.temporal, ['options']);
}, 300_000);

/** Where a command stands. */
interface Place {
  /** Files that the reader has made by then: those that the page names, and those that its commands write. */
  readonly files: ReadonlySet<string>;
  /** A name in running text, which may leave out what its command needs. */
  readonly mention: boolean;
}

/** What is wrong with the arguments of each program that a page may call. */
const programs: Readonly<Record<string, (args: readonly string[], place: Place) => string[]>> = {
  serin: aboutSerin,
  kubectl: aboutKubectl,
  helm: aboutHelm,
  temporal: aboutTemporal,
  docker: aboutDocker,
  node: aboutNode,
  npm: aboutNpm,
  make: aboutMake,
  curl: () => [],
  hey: () => [],
  jq: () => [],
  export: () => [],
  read: () => [],
  source: () => [],
};

function problemsOf({ words: [program, ...args], reads }: Invocation, place: Place): string[] {
  const files = reads.flatMap((path) => fileProblem(path, place));
  if (program === undefined) return files;
  const check = programs[program];
  return [...files, ...(check ? check(args, place) : [`${program} is none of ${Object.keys(programs).join(', ')}`])];
}

function problemsIn(script: string, place: Place): string[] {
  return commandsIn(script).flatMap((command) => problemsOf(command, place));
}

function aboutSerin([name = '', ...words]: readonly string[], { files, mention }: Place): string[] {
  if (name === '--help' || name === '') return [];
  const command = commands.get(name);
  if (!command) return [`serin has no command ${name}`];
  try {
    const given = parseWords(command, words);
    const [needed = '', optional] = command.usage.split('[');
    const wanted = needed.split(' ').filter((word) => word !== '' && word !== '…');
    const most = optional !== undefined || needed.includes('…') ? Infinity : wanted.length;
    const count = given.words.length;
    if (count > most || (count < wanted.length && given.options.help !== true && !(mention && count === 0)))
      return [`serin ${name} wants ${command.usage || 'no words'}, not ${given.words.join(' ') || 'nothing'}`];
    const paths = wanted[0] === '<file>' ? given.words : [];
    const world = given.options.world;
    return [...paths, ...(typeof world === 'string' ? [world] : [])].flatMap((path) =>
      fileProblem(path, { files, mention }),
    );
  } catch (error) {
    return [`serin ${name}: ${messageOf(error)}`];
  }
}

function aboutKubectl(args: readonly string[], place: Place): string[] {
  const given = kubectl.parse(args);
  const option = (name: string) => given.options.get(name) ?? [];
  const paths = [...option('--filename'), ...option('--kustomize'), ...option('--kubeconfig')].concat(
    option('--from-file').map((value) => value.split('=').at(-1)!),
  );
  return [
    ...given.problems,
    ...paths.flatMap((path) => fileProblem(path, place)),
    ...option('--patch').flatMap(jsonProblem),
    ...option('--selector').flatMap(selectorProblem),
    ...ourNames([...given.words, ...option('--raw'), ...option('--as')]),
    ...(given.path[0] === 'port-forward' ? portProblem(given) : []),
    ...(given.rest.length > 0 ? problemsOf({ words: given.rest, variables: [], reads: [], writes: [] }, place) : []),
  ];
}

/** Objects called serin-… are in an installation. What a cluster has beside is no business of ours. */
function ourNames(words: readonly string[]): string[] {
  return words.flatMap((word) =>
    [...word.matchAll(/(?:\b([a-z]+)\/)?\b(serin-[a-z-]+)/g)].flatMap(([, kind = '', name]) => {
      const found = objects.filter(({ metadata }) => metadata.name === name);
      if (found.length === 0) return [`an installation has no ${name}`];
      const fits = found.some((object) => [object.kind.toLowerCase(), `${object.kind.toLowerCase()}s`].includes(kind));
      const isKind = objects.some((object) => object.kind.toLowerCase() === kind.replace(/s$/, ''));
      return isKind && !fits ? [`an installation has no ${kind} ${name}`] : [];
    }),
  );
}

function selectorProblem(selector: string): string[] {
  const labels = selector.split(',').map((pair) => pair.split('='));
  if (labels.some(([key]) => !key?.startsWith('app.kubernetes.io/'))) return [];
  const found = objects.some(({ spec }) => {
    const { template } = (spec ?? {}) as { template?: { metadata: { labels?: Record<string, string> } } };
    return labels.every(([key, value]) => template?.metadata.labels?.[key!] === value);
  });
  return found ? [] : [`no pod of an installation is selected by ${selector}`];
}

/** A Service of ours that has the port that is forwarded. */
function portProblem({ words: [target = '', ...ports] }: Parsed): string[] {
  const service = objects.find(({ kind, metadata }) => kind === 'Service' && target.endsWith(`/${metadata.name}`));
  if (!service) return [];
  const has = (service.spec as { ports: { port: number }[] }).ports.map(({ port }) => `${port}`);
  return ports.flatMap((pair) => (has.includes(pair.split(':').at(-1)!) ? [] : [`${target} has no port ${pair}`]));
}

function aboutHelm(args: readonly string[], place: Place): string[] {
  const given = helmProgram.parse(args);
  const [release = '', path = ''] = given.words;
  if (given.problems.length > 0 || !['install', 'upgrade', 'template'].includes(given.path[0]!))
    return [...given.problems];
  if (place.mention && path === '') return [];
  if (!inTop(`${path}/Chart.yaml`)) return [`${path} is no chart`];
  const option = (name: string) => given.options.get(name) ?? [];
  const files = option('--values');
  const wrong = [
    ...files.flatMap((file) => fileProblem(file, place)),
    ...['--set', '--set-string', '--set-json'].flatMap((name) => option(name).flatMap(valueProblem)),
  ];
  if (wrong.length > 0) return wrong;
  const rendered = [
    ...['template', release, new URL(path, top).pathname, '--namespace', ...option('--namespace').slice(-1)],
    // Of an earlier installation of Flagger, by its reader.
    ...files.flatMap((file) => ['--values', inTop(file) ? file : `${chart}/ci/flagger.yaml`]),
    ...['--set', '--set-string', '--set-json'].flatMap((name) =>
      option(name).flatMap((value) => [name, value.replaceAll(/\$\w+/g, standIn)]),
    ),
  ];
  const said = args.join(' ');
  if (!/temporal\.address=|temporalServer\.enabled=true/.test(said))
    rendered.push('--set', 'temporal.address=here:7233');
  try {
    helm(rendered);
    return [];
  } catch (error) {
    return [`helm: ${messageOf(error)}`];
  }
}

/** Values that variables of the reader's shell may have. */
function standIn(variable: string): string {
  return variable.includes('SERVER') ? 'http://127.0.0.1:9090' : '127.0.0.1:7233';
}

interface Schema {
  readonly properties?: Readonly<Record<string, Schema>>;
}

const schemaIn = (path: string) => JSON.parse(readFileSync(`${chart}/${path}`, 'utf8')) as Schema;
const schema = schemaIn('values.schema.json');
const temporalServer = schemaIn('charts/temporal/values.schema.json');

/** Whether the chart has such a value. What a map of the reader's own keys holds is theirs. */
function isValue(path: string): boolean {
  let [at, left]: [Schema | undefined, string[]] = [schema, path.split(/(?<!\\)\./)];
  if (left[0] === 'temporalServer' && left[1] !== 'enabled') [at, left] = [temporalServer, left.slice(1)];
  for (const key of left) {
    if (!at?.properties) return at !== undefined;
    at = at.properties[key.replace(/\[\d+\]$/, '')];
  }
  return at !== undefined;
}

function valueProblem(set: string): string[] {
  const pairs = /^[^=]+=[[{]/.test(set) ? [set] : set.split(/(?<!\\),/);
  const paths = pairs.map((pair) => pair.split('=')[0]!);
  return paths.filter((path) => !isValue(path)).map((path) => `${path} is no value of the chart`);
}

function aboutTemporal(args: readonly string[]): string[] {
  const given = temporal.parse(args);
  const json = ['--input', '--signal-input'].flatMap((name) => given.options.get(name) ?? []);
  return [...given.problems, ...json.flatMap(jsonProblem)];
}

function aboutDocker([verb = '', ...args]: readonly string[], place: Place): string[] {
  switch (verb) {
    case 'build': {
      const target = /--target[ =](\S+)/.exec(args.join(' '))?.[1];
      const stages = [...read('Dockerfile').matchAll(/^FROM \S+ AS (\S+)$/gm)].map(([, stage]) => stage);
      return [
        ...fileProblem(args.at(-1) ?? '', place),
        ...(target === undefined || stages.includes(target) ? [] : [`the Dockerfile has no stage ${target}`]),
      ];
    }
    case 'compose': {
      const [what = '', ...words] = args.filter((arg) => !arg.startsWith('-') || !['up', 'exec'].includes(args[0]!));
      const named = what === 'exec' ? words.slice(0, 1) : words.filter((word) => !word.startsWith('-'));
      const lost = named.filter((service) => !(service in services));
      // What runs inside has the options that were taken for compose's own.
      const inner = what === 'exec' ? args.slice(args.indexOf(named[0]!) + 1) : [];
      return [
        ...lost.map((service) => `docker-compose.yml has no service ${service}`),
        ...(inner.length > 0 ? problemsOf({ words: inner, variables: [], reads: [], writes: [] }, place) : []),
      ];
    }
    case 'pull':
    case 'push':
    case 'tag':
      return [];
    default:
      return [`docker ${verb} is not known here`];
  }
}

function aboutNode([file = '', ...args]: readonly string[], place: Place): string[] {
  const source = file.replace(/^dist\//, 'src/').replace(/\.js$/, '.ts');
  if (!inTop(source)) return [`there is no ${source} for ${file}`];
  return source === 'src/cli.ts' ? aboutSerin(args, place) : [];
}

function aboutNpm([verb, script = '', dashes, ...args]: readonly string[], place: Place): string[] {
  if (verb !== 'run') return [`npm ${verb} is not known here`];
  if (!(script in scripts)) return [`package.json has no script ${script}`];
  if (dashes !== undefined && dashes !== '--') return [`npm run ${script} takes ${dashes} for itself`];
  if (script === 'serin') return aboutSerin(args, place);
  return script === 'pod' ? ourNames(args.slice(0, 1)) : [];
}

function aboutMake(args: readonly string[]): string[] {
  const makefile = read('Makefile');
  const code = [makefile, ...globSync('local/*.ts', { cwd: top.pathname }).map((path) => read(path))].join('\n');
  return args.flatMap((arg) => {
    const [name, value] = arg.split('=');
    if (value !== undefined) return code.includes(name!) ? [] : [`nothing reads ${name}`];
    return new RegExp(`^${arg}:`, 'm').test(makefile) ? [] : [`the Makefile has no ${arg}`];
  });
}

/** A path into the checkout has to be there; a bare name may be a file that the reader has made. */
function fileProblem(path: string, { files, mention }: Place): string[] {
  if (path === '-' || /^https?:/.test(path) || (mention && !path.includes('/'))) return [];
  return inTop(path) || files.has(path) ? [] : [`there is no ${path}, and the page does not say what it is`];
}

function jsonProblem(text: string): string[] {
  try {
    JSON.parse(text);
    return [];
  } catch {
    return [`${text} is no JSON`];
  }
}

/** Files that a reader has: those that are named in the text, and those that commands write. */
function filesOf(page: string): ReadonlySet<string> {
  const named = [...proseIn(read(page)).matchAll(/`([\w.-]+\.\w+)`/g)].map(([, name]) => name!);
  const written = blocksOf(page, 'sh').flatMap(({ text }) => commandsIn(text).flatMap(({ writes }) => writes));
  return new Set([...named, ...written]);
}

/** Commands in running text and in tables. Those with `<…>` in them are forms, and `kubectl argo` is a plugin of others. */
function mentionsIn(page: string) {
  const starts = new RegExp(`^(?:${Object.keys(programs).join('|')}) `);
  const prose = proseIn(read(page));
  return [...prose.matchAll(/`([^`\n]+)`/g)].flatMap(({ index, 1: span = '' }) => {
    const text = span.replaceAll('\\|', '|');
    if (!starts.test(text) || /<[^(]|^kubectl argo |^(?:export|read|source) /.test(text)) return [];
    return [{ line: prose.slice(0, index).split('\n').length, text }];
  });
}

describe('what the pages tell people to type', () => {
  it.each(pages)('%s', (page) => {
    const files = filesOf(page);
    const said = [
      ...blocksOf(page, 'sh').map(({ line, text }) => ({ line, text, mention: false })),
      ...mentionsIn(page).map(({ line, text }) => ({ line, text, mention: true })),
    ];
    const wrong = said.flatMap(({ line, text, mention }) =>
      problemsIn(text, { files, mention })
        // An option is named without what goes with it.
        .filter((problem) => !(mention && problem.endsWith(' without a value')))
        .map((problem) => `line ${line}: ${problem}`),
    );
    expect(wrong).toEqual([]);
  });

  it('is not little', () => {
    const all = pages.flatMap((page) => blocksOf(page, 'sh').flatMap(({ text }) => commandsIn(text)));
    expect(all.length).toBeGreaterThan(120);
    expect(new Set(all.map(({ words: [program] }) => program)).size).toBeGreaterThan(8);
  });
});

describe('a command is found to be wrong', () => {
  const upgrade = 'helm upgrade --install serin deploy/charts/serin --namespace serin-system';

  it.each([
    ['a program that nobody has', 'kubctl get pods', 'kubctl is none of serin, kubectl'],
    ['in a pipe', 'kubectl get pods -o name | xargs echo', 'xargs is none of'],
    ['in a substitution', 'export POD=$(kubctl get pods)', 'kubctl is none of'],
    ['in a loop', 'for x in a b; do serin gett "$x"; done', 'serin has no command gett'],
    ['behind &&', 'make test && make tests', 'the Makefile has no tests'],
    ['a command of ours', 'serin undo test/podinfo', 'serin has no command undo'],
    ['an option of ours', 'serin list --al', "serin list: Unknown option '--al'"],
    [
      'a word that is missing',
      'serin set-weight test/podinfo',
      'serin set-weight wants <namespace>/<canary> <percent>',
    ],
    ['a word too many', 'npm run serin -- list test', 'serin list wants no words, not test'],
    ['a command inside a pod', 'kubectl exec deployment/a -- node dist/cli.js conf', 'serin has no command conf'],
    ['a script', 'npm run stacks', 'package.json has no script stacks'],
    ['options of a script', 'npm run bench idle', 'npm run bench takes idle for itself'],
    ['a variable of make', 'make demo KEPT=1', 'nothing reads KEPT'],
    ['a program of the checkout', 'node dist/workers.js', 'there is no src/workers.ts for dist/workers.js'],
    ['a value', `${upgrade} --set receivers.secret=a`, 'receivers.secret is no value of the chart'],
    ['one of several values', `${upgrade} --set clusterName=a,istio.x=b`, 'istio.x is no value of the chart'],
    ['a value as JSON', `${upgrade} --set-json 'provider=["istio"]'`, 'provider is no value of the chart'],
    ['a value of Temporal', `${upgrade} --set temporalServer.ui.on=true`, 'temporalServer.ui.on is no value of'],
    ['what a value is', `${upgrade} --set meshProvider=linkerd`, '/meshProvider'],
    ['a values file', `${upgrade} -f mine.yaml`, 'there is no mine.yaml'],
    ['an option of helm', `${upgrade} --sett a=b`, 'helm upgrade has no option --sett'],
    ['a chart', 'helm install serin deploy/chart', 'deploy/chart is no chart'],
    ['a folder to apply', 'kubectl apply -k deploy/instal', 'there is no deploy/instal'],
    ['a file to apply', 'kubectl apply -f canary.yaml', 'there is no canary.yaml, and the page does not say what'],
    ['an input', 'kubectl apply -f - < deploy/compose/demos.yaml', 'there is no deploy/compose/demos.yaml'],
    ['a Deployment', 'kubectl -n serin-system logs deployment/serin-workers', 'an installation has no serin-workers'],
    ['a kind', 'kubectl get service/serin-view', 'an installation has no service serin-view'],
    ['a Service in a path', 'kubectl get --raw /api/v1/namespaces/serin-system/services/serin-x:http/proxy', 'serin-x'],
    ['a port', 'kubectl port-forward service/serin-starter 80:80', 'service/serin-starter has no port 80:80'],
    ['a label', 'kubectl get pods -l app.kubernetes.io/component=work', 'no pod of an installation is selected by'],
    ['a patch', `kubectl patch canary a --type=merge -p '{"spec":{}'`, 'is no JSON'],
    ['a command of kubectl', 'kubectl rollout stats deployment/a', 'kubectl rollout has no command stats'],
    ['an option of kubectl', 'kubectl get pods --watsh', 'kubectl get has no option --watsh'],
    ['a command of temporal', 'temporal workflow lst', 'temporal workflow has no command lst'],
    ['an option of temporal', 'temporal workflow list --querry a', 'temporal workflow list has no option --querry'],
    ['input of a workflow', `temporal workflow signal -w a --name b --input '{"by": ann}'`, 'is no JSON'],
    ['a stage', 'docker build -t a --target tester .', 'the Dockerfile has no stage tester'],
    ['a service', 'docker compose restart workers', 'docker-compose.yml has no service workers'],
    ['a command in a service', 'docker compose exec -T kubernetes kubctl get pods', 'kubctl is none of'],
  ])('%s', (_, script, problem) => {
    expect(problemsIn(script, { files: new Set(), mention: false }).join('\n')).toContain(problem);
  });
});

describe('a script is read as a shell reads it', () => {
  const words = (script: string) => commandsIn(script).map((command) => command.words);

  it.each<[string, string, readonly (readonly string[])[]]>([
    ['lines that go on', 'a b \\\n  c\nd', [['a', 'b', 'c'], ['d']]],
    ['pipes and lists', 'a | b && c || d; e & f', [['a'], ['b'], ['c'], ['d'], ['e'], ['f']]],
    ['comments', '# a\nb # c\nd e#f', [['b'], ['d', 'e#f']]],
    ['quotes', `a 'b "c' "d 'e \\"f" g\\ h ''`, [['a', 'b "c', `d 'e "f`, 'g h', '']]],
    ['quotes over lines', "a 'b\n# c' d", [['a', 'b\n# c', 'd']]],
    ['variables set for a command', 'A=1 B="2 3" c A=1', [['c', 'A=1']]],
    ['substitutions', 'a "$(b "c)" | d)" e', [['b', 'c)'], ['d'], ['a', '$(b "c)" | d)', 'e']]],
    [
      'substitutions of files',
      'source <(a b)',
      [
        ['a', 'b'],
        ['source', '<(a b)'],
      ],
    ],
    ['loops', 'while a; do\n  b\ndone\nfor c in d e; do f; done', [['a'], ['b'], ['f']]],
    ['conditions and subshells', 'if ! a; then (b); else { c; }; fi', [['a'], ['b'], ['c']]],
    ['redirections', 'a >b 2>&1 <c 2>/dev/null d', [['a', 'd']]],
    ['what is given by a heredoc', "a <<'E' | b\nc 'd\nE\ne", [['a'], ['b'], ['e']]],
    ['an indented heredoc', 'a <<-E\n\tb\n\tE\nc', [['a'], ['c']]],
  ])('%s', (_, script, expected) => {
    expect(words(script)).toEqual(expected);
  });

  it('and the files that it reads and writes', () => {
    expect(commandsIn('a >b <c 2>d 2>&1')).toEqual([{ words: ['a'], variables: [], reads: ['c'], writes: ['b', 'd'] }]);
  });

  it.each(["a 'b", 'a "b', 'a $(b', 'a ${b', 'a <<E\nb', 'a >', 'case a in b) c;; esac'])(
    'or refused: %j',
    (script) => {
      expect(() => commandsIn(script)).toThrow();
    },
  );
});
