import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import {
  Client,
  Connection,
  WorkflowNotFoundError,
  WorkflowUpdateFailedError,
  isGrpcServiceError,
  type WorkflowExecutionInfo,
} from '@temporalio/client';
import { loadClientConnectConfig } from '@temporalio/envconfig';
import { settingsTable } from '../config.ts';
import { messageOf, messageWithCause } from '../errors.ts';
import {
  orderSignals,
  orderUpdates,
  progressQuery,
  releaseId,
  type Order,
  type OrderKind,
  type Progress,
} from '../workflows/messages.ts';
import type { Outcome } from '../workflows/domain/state.ts';
import { searchAttributes } from '../workflows/show.ts';
import { nameOf, type CanaryName } from './canary.ts';
import { CommandError, type Terminal } from './command.ts';
import { recordsOf, type AuditRecord } from '../audit/records.ts';
import { storyOf, type StoryLine } from './story.ts';

/** A run of a Canary's workflow, as the list of Temporal has it. */
export interface ListedRelease {
  readonly canary: string;
  readonly run: string;
  /** Temporal's word for the run: `RUNNING`, `COMPLETED`, … */
  readonly status: string;
  readonly phase: string;
  /** Percent of traffic for the canary. */
  readonly weight: number;
  readonly target: string;
  readonly revision: string;
  /** '' where it is not known. */
  readonly image: string;
  /** What it came to; '' while it runs. */
  readonly outcome: string;
  readonly started: string;
  readonly closed?: string;
}

/** What Temporal knows of releases, and takes of orders. */
export interface Releases {
  /** Newest first. */
  list(query: { readonly namespace?: string; readonly all: boolean }): Promise<ListedRelease[]>;
  /** The last run of a Canary. @throws CommandError when there was none */
  get(canary: CanaryName): Promise<ListedRelease & { readonly progress?: Progress; readonly unanswered?: string }>;
  /** All runs that are kept, newest first. @throws CommandError when there was none */
  history(canary: CanaryName): Promise<(ListedRelease & { readonly result?: Outcome })[]>;
  /** What happened in a run; without one in the last run that has anything to tell. @throws CommandError */
  story(canary: CanaryName, run?: string): Promise<StoryLine[]>;
  /** All that happened in a run, or in all runs that are kept, oldest first. @throws CommandError */
  records(canary: CanaryName, run?: string): Promise<AuditRecord[]>;
  /** Has an order followed, and says what the release does then. @throws CommandError with why it was refused */
  order(canary: CanaryName, kind: OrderKind, order: Order): Promise<Progress>;
}

/** gRPC codes INVALID_ARGUMENT and NOT_FOUND: of a run id that is none, and of one that is not kept any more. */
const noSuchRun: ReadonlySet<number> = new Set([3, 5]);

/** Longest to wait for an answer, in milliseconds. */
const patienceMs = 20_000;

/** Connects as Temporal's own environment variables and profile say, for as long as `work` takes. */
export async function withReleases<T>({ env }: Terminal, work: (releases: Releases) => Promise<T>): Promise<T> {
  const { connectionOptions, namespace = 'default' } = loadClientConnectConfig({ overrideEnvVars: present(env) });
  const address = connectionOptions.address ?? 'localhost:7233';
  const connection = await Connection.connect({ ...connectionOptions, connectTimeout: 5_000 }).catch(
    (error: unknown) => {
      throw new CommandError(
        `Temporal does not answer at ${address}: ${messageWithCause(error)}; set TEMPORAL_ADDRESS`,
      );
    },
  );
  try {
    const client = new Client({ connection, namespace });
    return await work(createReleases(client, env.SERIN_TASK_QUEUE || settingsTable.taskQueue.fallback));
  } finally {
    await connection.close();
  }
}

function createReleases({ workflow }: Client, taskQueue: string): Releases {
  const handle = (canary: CanaryName) => workflow.getHandle(releaseId(canary));
  const none = (canary: CanaryName) => new CommandError(`there was no release of ${nameOf(canary)}`);

  return {
    async list({ namespace, all }) {
      const found = new Map<string, ListedRelease>();
      const running = all ? '' : ` AND ExecutionStatus = 'Running'`;
      const prefix = namespace ? ` AND WorkflowId STARTS_WITH 'release/${namespace}/'` : '';
      for await (const info of workflow.list({ query: `WorkflowType = 'release'${running}${prefix}` })) {
        const release = listed(info);
        const known = found.get(release.canary);
        if (!known || known.started < release.started) found.set(release.canary, release);
      }
      return [...found.values()].sort((one, other) => (one.started < other.started ? 1 : -1));
    },

    async get(canary) {
      const info = await handle(canary)
        .describe()
        .catch((error: unknown) => {
          throw error instanceof WorkflowNotFoundError ? none(canary) : error;
        });
      try {
        return { ...listed(info), progress: await queried(canary) };
      } catch (error) {
        // What the server knows by itself is still worth telling when no worker is there.
        return { ...listed(info), unanswered: messageOf(error) };
      }
    },

    async history(canary) {
      const runs = await runsOf(canary);
      return Promise.all(
        runs.map(async (run) => {
          if (run.status !== 'COMPLETED') return run;
          return { ...run, result: (await workflow.getHandle(releaseId(canary), run.run).result()) as Outcome };
        }),
      );
    },

    async story(canary, run) {
      for (const runId of run === undefined ? (await runsOf(canary)).map((one) => one.run) : [run]) {
        const story = storyOf(await recordsIn(canary, runId));
        // A run that only looked has nothing to tell.
        if (story.length > 0 || run !== undefined) return story;
      }
      return [];
    },

    async records(canary, run) {
      const runs = run === undefined ? (await runsOf(canary)).map((one) => one.run).reverse() : [run];
      const all: AuditRecord[] = [];
      for (const one of runs) all.push(...(await recordsIn(canary, one)));
      return all;
    },

    order: (canary, kind, order) => (kind === 'retry' ? retry(canary, order) : update(canary, kind, order)),
  };

  async function recordsIn(canary: CanaryName, run: string): Promise<AuditRecord[]> {
    const { events } = await workflow
      .getHandle(releaseId(canary), run)
      .fetchHistory()
      .catch((error: unknown) => {
        throw isGrpcServiceError(error) && noSuchRun.has(error.code)
          ? new CommandError(`${nameOf(canary)} has no run ${run}; "serin history" names them`)
          : error;
      });
    return recordsOf(events ?? [], { canary: nameOf(canary), run });
  }

  async function runsOf(canary: CanaryName): Promise<ListedRelease[]> {
    const found: ListedRelease[] = [];
    for await (const info of workflow.list({ query: `WorkflowId = '${releaseId(canary)}'` })) found.push(listed(info));
    if (found.length === 0) throw none(canary);
    return found.sort((one, other) => (one.started < other.started ? 1 : -1));
  }

  function queried(canary: CanaryName): Promise<Progress> {
    return workflow.connection.withDeadline(Date.now() + patienceMs, () => handle(canary).query(progressQuery));
  }

  async function update(canary: CanaryName, kind: OrderKind, asked: Order): Promise<Progress> {
    // What became of an order with a token is known once that was looked at, and found by the id.
    const order = asked.token && asked.id === undefined ? { ...asked, id: randomUUID() } : asked;
    const progress = await updated(canary, kind, order);
    return order.token && order.id !== undefined ? answered(canary, order.id) : progress;
  }

  async function updated(canary: CanaryName, kind: OrderKind, order: Order): Promise<Progress> {
    try {
      return await workflow.connection.withDeadline(Date.now() + patienceMs, () =>
        handle(canary).executeUpdate(orderUpdates[kind], {
          args: [order],
          ...(order.id === undefined ? {} : { updateId: `${kind}/${order.id}` }),
        }),
      );
    } catch (error) {
      if (error instanceof WorkflowNotFoundError) {
        throw new CommandError(`no release of ${nameOf(canary)} is running: there is nothing to ${kind}`);
      }
      if (error instanceof WorkflowUpdateFailedError) throw new CommandError(messageOf(error.cause));
      throw new CommandError(`no answer: ${messageOf(error)}; is a worker running?`);
    }
  }

  /** A Canary that failed has no run: the order is sent together with the start of one, and asked about by its id. */
  async function retry(canary: CanaryName, order: Order): Promise<Progress> {
    const id = order.id ?? randomUUID();
    await workflow.signalWithStart('release', {
      workflowId: releaseId(canary),
      taskQueue,
      args: [{ canary }],
      signal: orderSignals.retry,
      signalArgs: [{ ...order, id }],
      staticSummary: `${nameOf(canary)} ← retry`,
    });
    return answered(canary, id);
  }

  /** Waits until an order was followed. @throws CommandError when it was refused */
  async function answered(canary: CanaryName, id: string): Promise<Progress> {
    let trouble = '';
    for (const until = Date.now() + patienceMs; Date.now() < until; await sleep(200)) {
      const progress = await queried(canary).catch((error: unknown) => {
        trouble = `: ${messageOf(error)}`;
        return undefined;
      });
      const answer = progress?.orders.find((one) => one.id === id);
      if (answer?.refused !== undefined) throw new CommandError(answer.refused);
      if (progress && answer) return progress;
    }
    throw new CommandError(
      `no answer within ${patienceMs / 1000} s, the order ${id} stands; is a worker running?${trouble}`,
    );
  }
}

function present(env: Terminal['env']): Record<string, string> {
  return Object.fromEntries(
    Object.entries(env).flatMap(([name, value]) => (value === undefined ? [] : [[name, value]])),
  );
}

type Listed = Pick<
  WorkflowExecutionInfo,
  'workflowId' | 'runId' | 'status' | 'typedSearchAttributes' | 'startTime' | 'closeTime'
>;

function listed(info: Listed): ListedRelease {
  const { typedSearchAttributes: known } = info;
  return {
    canary: info.workflowId.replace(/^release\//, ''),
    run: info.runId,
    status: info.status.name,
    phase: known.get(searchAttributes.phase) ?? '',
    weight: known.get(searchAttributes.weight) ?? 0,
    target: known.get(searchAttributes.target) ?? '',
    revision: known.get(searchAttributes.revision) ?? '',
    image: known.get(searchAttributes.image) ?? '',
    outcome: known.get(searchAttributes.outcome) ?? '',
    started: info.startTime.toISOString(),
    ...(info.closeTime ? { closed: info.closeTime.toISOString() } : {}),
  };
}
