import { failure, messageOf } from '../errors.ts';
import { recordsOf, type HistoryEvent } from '../audit/records.ts';
import type { AuditSink } from './audit-sink.ts';
import type { CanaryRef } from './contract.ts';

/** Keeps what happened in a run, up to now. Repeating it replaces what was kept before. */
export type Archive = (canary: CanaryRef, run: string) => Promise<void>;

/** The history of a run so far. */
export type ReadHistory = (canary: CanaryRef, run: string) => Promise<readonly HistoryEvent[]>;

/** @param cluster in the key, where several clusters share a sink; '' for none */
export function createArchive(readHistory: ReadHistory, sink: AuditSink, cluster: string): Archive {
  return async (canary, run) => {
    const name = `${canary.namespace}/${canary.name}`;
    const events = await readHistory(canary, run).catch((error: unknown) => {
      throw failure('Unavailable', `history of ${name}, run ${run}: ${messageOf(error)}`, error);
    });
    const records = recordsOf(events, { canary: name, run });
    const day = records[0]?.at.slice(0, 10) ?? '';
    const key = `${cluster ? `${cluster}/` : ''}${name}/${day}-${run}.jsonl`;
    await sink.write(key, records.map((record) => `${JSON.stringify(record)}\n`).join(''));
  };
}
