import type { Command } from './command.ts';
import { gateOf } from './gates.ts';
import type { Payload } from './payload.ts';

/** Something a Canary webhook asks the load tester to run. */
export interface Task {
  readonly type: TaskType;
  /** `<name>.<namespace>` of the Canary. */
  readonly canary: string;
  /** The command as it was given: what logs and answers show. */
  readonly text: string;
  readonly command: Command;
  /** A queued task is answered at once and its output logged if `showOutput`; a blocking one when it ends, with its output if so. */
  readonly mode: 'queued' | 'blocking';
  readonly showOutput: boolean;
}

export type TaskType = 'cmd' | 'bash' | 'helm' | 'helmv3' | 'kubectl';

/** Task types by the name that `metadata.type` gives them. */
export const taskTypes: ReadonlyMap<string, (payload: Payload) => Task | Refusal> = new Map([
  ['cmd', queued],
  ['bash', blocking('bash', inShell('bash'))],
  ['helm', blocking('helm', bare('helm'))],
  ['helmv3', blocking('helmv3', bare('helm'))],
  ['kubectl', blocking('kubectl', bare('kubectl'))],
]);

/** Flagger's task types that this load tester does not have. */
const missingTypes: readonly string[] = ['ngrinder', 'concord'];

/** Why a request is answered with 400. */
export interface Refusal {
  readonly refusal: string;
}

/** The task that `payload` asks for; its type defaults to `cmd`. */
export function taskOf(payload: Payload): Task | Refusal {
  if (Object.keys(payload.metadata).length === 0) return { refusal: 'metadata not found in payload' };
  const type = payload.metadata.type ?? 'cmd';
  const build = taskTypes.get(type);
  if (build) return build(payload);
  if (missingTypes.includes(type)) {
    const known = [...taskTypes.keys()].join(', ');
    return {
      refusal: `task type ${type} is not supported by this version of the load tester, which supports ${known}`,
    };
  }
  return { refusal: `unknown task type ${type}` };
}

/** Tasks of one key do not run at the same time when queued: the same command for the same Canary. */
export function taskKey(task: Task): string {
  return JSON.stringify([task.canary, task.type, task.text]);
}

function queued(payload: Payload): Task | Refusal {
  const text = payload.metadata.cmd;
  if (text === undefined) return { refusal: 'cmd not found in metadata' };
  const showOutput = isTrue(payload.metadata.logCmdOutput);
  return { type: 'cmd', canary: gateOf(payload), text, command: inShell('sh')(text), mode: 'queued', showOutput };
}

function blocking(type: TaskType, commandOf: (text: string) => Command) {
  return (payload: Payload): Task => {
    const text = payload.metadata.cmd ?? '';
    const showOutput = isTrue(payload.metadata.returnCmdOutput);
    return { type, canary: gateOf(payload), text, command: commandOf(text), mode: 'blocking', showOutput };
  };
}

function inShell(shell: 'sh' | 'bash') {
  return (text: string): Command => ({ program: shell, args: ['-c', text] });
}

/** Split on whitespace and nothing else: quotes have no meaning, as in Flagger. */
function bare(program: string) {
  return (text: string): Command => ({ program, args: text.split(/\s+/).filter((word) => word !== '') });
}

/** Source: Go, strconv.ParseBool. */
function isTrue(value: string | undefined): boolean {
  return value !== undefined && ['1', 't', 'T', 'TRUE', 'true', 'True'].includes(value);
}
