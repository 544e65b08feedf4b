import type { Client } from '@temporalio/client';
import { failure, messageOf } from '../errors.ts';
import { releaseId } from '../workflows/messages.ts';
import { recordsOf } from './records.ts';
import type { AuditSink } from './sink.ts';

/** Keeps what happened in a run, up to now. Repeating it replaces what was kept before. */
export type Archive = (canary: { readonly namespace: string; readonly name: string }, run: string) => Promise<void>;

/** @param cluster in the key, where several clusters share a sink; '' for none */
export function createArchive(client: Client, sink: AuditSink, cluster: string): Archive {
  return async (canary, run) => {
    const name = `${canary.namespace}/${canary.name}`;
    const { events } = await client.workflow
      .getHandle(releaseId(canary), run)
      .fetchHistory()
      .catch((error: unknown) => {
        throw failure('Unavailable', `history of ${name}, run ${run}: ${messageOf(error)}`, error);
      });
    const records = recordsOf(events ?? [], { canary: name, run });
    const day = records[0]?.at.slice(0, 10) ?? '';
    const key = `${cluster ? `${cluster}/` : ''}${name}/${day}-${run}.jsonl`;
    await sink.write(key, records.map((record) => `${JSON.stringify(record)}\n`).join(''));
  };
}
