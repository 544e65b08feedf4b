import { text, UsageError, type Command, type Option } from './command.ts';

/** What a shell completes: commands, and the options of each. */
export type Vocabulary = ReadonlyMap<
  string,
  { readonly summary: string; readonly options: Readonly<Record<string, Option>> }
>;

/** A command that knows all the others, so that what shells complete is what there is. */
export function completionCommand(vocabulary: () => Vocabulary): Command {
  return {
    usage: 'bash|zsh|fish',
    summary: 'A script for your shell: source <(serin completion bash)',
    options: {},
    // oxlint-disable-next-line typescript/require-await -- a failure is a rejection, as with the other commands
    async run(given, terminal) {
      const [shell = ''] = given.words;
      const script = scripts[shell];
      if (!script) throw new UsageError(`"${shell}" is no shell that is known; use ${Object.keys(scripts).join(', ')}`);
      if (text(given, 'output')) throw new UsageError('a script is a script: leave --output out');
      script(vocabulary()).forEach((line) => terminal.out(line));
      return 0;
    },
  };
}

const scripts: Readonly<Record<string, (vocabulary: Vocabulary) => string[]>> = {
  bash,
  zsh: (vocabulary) => [
    'autoload -U +X compinit && compinit',
    'autoload -U +X bashcompinit && bashcompinit',
    ...bash(vocabulary),
  ],
  fish,
};

function bash(vocabulary: Vocabulary): string[] {
  return [
    '_serin() {',
    '  local current=${COMP_WORDS[COMP_CWORD]}',
    '  COMPREPLY=()',
    '  if [ "$COMP_CWORD" -eq 1 ]; then',
    `    COMPREPLY=($(compgen -W "${[...vocabulary.keys()].join(' ')}" -- "$current"))`,
    '    return',
    '  fi',
    '  case "$current" in -*) ;; *) return ;; esac',
    '  case "${COMP_WORDS[1]}" in',
    ...[...vocabulary].map(([name, { options }]) => {
      const flags = Object.keys(options).map((option) => `--${option}`);
      return `    ${name}) COMPREPLY=($(compgen -W "${flags.join(' ')}" -- "$current")) ;;`;
    }),
    '  esac',
    '}',
    // Files, for the commands that read some.
    'complete -o default -F _serin serin',
  ];
}

function fish(vocabulary: Vocabulary): string[] {
  const quoted = (words: string) => `'${words.replaceAll('\\', '\\\\').replaceAll("'", "\\'")}'`;
  return [...vocabulary].flatMap(([name, { summary, options }]) => [
    `complete -c serin -n __fish_use_subcommand -f -a ${name} -d ${quoted(summary)}`,
    ...Object.entries(options).map(([option, { type, short, text }]) =>
      [
        `complete -c serin -n '__fish_seen_subcommand_from ${name}' -l ${option}`,
        ...(short ? [`-s ${short}`] : []),
        ...(type === 'string' ? ['-r'] : []),
        `-d ${quoted(text)}`,
      ].join(' '),
    ),
  ]);
}
