import type { IncomingMessage, RequestListener } from 'node:http';
import { messageOf } from '../errors.ts';
import type { Log } from '../log.ts';
import type { Commands } from './command.ts';
import { createGates, gateOf, rollbackGateOf } from './gates.ts';
import type { LoadTesterMetrics } from './metrics.ts';
import { parsePayload, type Payload } from './payload.ts';
import { createRepeats, type Answer } from './repeats.ts';
import { createRunner, type Job } from './runner.ts';
import { taskKey, taskOf, type Task } from './tasks.ts';

export interface LoadTesterOptions {
  readonly log: Log;
  readonly commands: Commands;
  readonly metrics: LoadTesterMetrics;
  /** Longest time a command may run, in milliseconds. */
  readonly timeoutMs: number;
  /** Namespaces that may use the load tester; undefined for all. */
  readonly namespaces?: RegExp;
}

/** Answers Canary webhooks as Flagger's load tester does. */
export interface LoadTester {
  readonly handler: RequestListener;
  /** Takes no more tasks and forgets queued ones. What runs goes on. */
  stop(): void;
}

export function createLoadTester(options: LoadTesterOptions): LoadTester {
  const { log, commands, metrics, timeoutMs, namespaces } = options;
  const gates = createGates();
  const repeats = createRepeats();
  let stopped = false;
  const runner = createRunner<Job & { readonly task: Task }>({
    onSkipped: ({ task }) => {
      const { type, canary, text } = task;
      metrics.count(type, 'skipped');
      log.info(`command skipped ${text} is already running`, { canary });
    },
  });

  async function answer(request: IncomingMessage): Promise<Answer> {
    const path = pathOf(request);
    if (path === '/healthz' || path === '/gate/approve') return { status: 200, body: 'OK' };
    if (path === '/gate/halt') return forbidden;
    const body = await read(request);
    if (body === undefined) return { status: 413, body: `a request may have ${maxBodyBytes} bytes` };
    const payload = parsePayload(body);
    if (!payload) return { status: 400, body: '' };
    if (namespaces && !namespaces.test(payload.namespace)) return forbidden;
    switch (path) {
      case '/gate/check':
        return gates.isOpen(gateOf(payload)) ? approved : forbidden;
      case '/rollback/check':
        return gates.isOpen(rollbackGateOf(payload)) ? approved : forbidden;
      case '/gate/open':
        return turn(gateOf(payload), 'open');
      case '/gate/close':
        return turn(gateOf(payload), 'close');
      case '/rollback/open':
        return turn(rollbackGateOf(payload), 'open');
      case '/rollback/close':
        return turn(rollbackGateOf(payload), 'close');
      default:
        return perform(payload, request.headers['idempotency-key']);
    }
  }

  function turn(gate: string, way: 'open' | 'close'): Answer {
    gates[way](gate);
    log.info(`gate ${way === 'open' ? 'opened' : 'closed'}`, { gate });
    return accepted;
  }

  async function perform(payload: Payload, key: string | string[] | undefined): Promise<Answer> {
    const task = taskOf(payload);
    if ('refusal' in task) return { status: 400, body: task.refusal };
    if (stopped) return { status: 503, body: 'the load tester is stopping' };
    const run = async () => (task.mode === 'blocking' ? block(task) : queue(task));
    // The task is part of what is remembered: one caller may use a key for all hooks of a step.
    return key === undefined ? run() : repeats.once(JSON.stringify([key, taskKey(task)]), run);
  }

  function queue(task: Task): Answer {
    runner.add({ key: taskKey(task), task, run: async () => void (await finish(task, task.showOutput)) });
    return accepted;
  }

  async function block(task: Task): Promise<Answer> {
    const { output, error } = await finish(task, true);
    if (error === undefined) return { status: 200, body: task.showOutput ? output : '' };
    return { status: 500, body: `command ${task.text} failed: ${output}: ${error}` };
  }

  async function finish(task: Task, logOutput: boolean) {
    const { canary, type, text, command } = task;
    log.debug('command started', { canary, type, command: text });
    const startedAt = performance.now();
    const finished = await commands.run(command, timeoutMs);
    const { output, error } = finished;
    metrics.count(type, error === undefined ? 'succeeded' : 'failed');
    const fields = { canary, type, command: text, seconds: (performance.now() - startedAt) / 1000 };
    if (error !== undefined) log.error('command failed', { ...fields, error, output });
    else log.info('command finished', logOutput ? { ...fields, output } : fields);
    return finished;
  }

  return {
    handler(request, response) {
      const send = ({ status, body, delivered }: Answer, type = 'text/plain; charset=utf-8') => {
        if (delivered) response.once('finish', delivered);
        response.writeHead(status, body === '' ? {} : { 'content-type': type }).end(body);
      };
      const answering =
        pathOf(request) === '/metrics'
          ? metrics.registry.metrics().then((body) => send({ status: 200, body }, metrics.registry.contentType))
          : answer(request).then((given) => send(given));
      answering.catch((error: unknown) => {
        if (request.destroyed && !request.complete) return; // the caller left in the middle of its request
        log.error('request failed', { error: messageOf(error) });
        send({ status: 500, body: messageOf(error) });
      });
    },
    stop() {
      stopped = true;
      const forgotten = runner.stop();
      if (forgotten > 0) log.warn('queued commands dropped: the load tester is stopping', { commands: forgotten });
    },
  };
}

const approved: Answer = { status: 200, body: 'Approved' };
const accepted: Answer = { status: 202, body: '' };
const forbidden: Answer = { status: 403, body: 'Forbidden' };

const maxBodyBytes = 1024 * 1024;

function pathOf(request: IncomingMessage): string {
  return (request.url ?? '/').split('?', 1)[0]!;
}

/** The request's body, or undefined when it is too long. */
async function read(request: IncomingMessage): Promise<string | undefined> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  // Leaving the loop early must not destroy the request: its connection still has to carry the answer.
  for await (const chunk of request.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>) {
    bytes += chunk.length;
    if (bytes > maxBodyBytes) return undefined;
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('utf8');
}
