import { ActivityCancellationType, proxyActivities, type ActivityOptions } from '@temporalio/workflow';
import type { Activities } from '../activities/contract.ts';
import { nonRetryableTypes } from '../errors.ts';
import { planTimeoutMs } from './domain/plan.ts';

/*
 * Timeouts and retries say what kind of failure is tolerable, so there are as many proxies as kinds. An outage of the API
 * server is waited out: only what no retry can mend comes back to the release.
 */
const nonRetryableErrorTypes = [...nonRetryableTypes];

const patient = { initialInterval: '500 milliseconds', backoffCoefficient: 2, maximumInterval: '10 seconds' } as const;

/** Reads are cheap and nothing goes on without them: they are repeated for as long as the API server is away. */
export const { look } = proxyActivities<Activities>({
  startToCloseTimeout: '15 seconds',
  retry: { ...patient, nonRetryableErrorTypes },
  cancellationType: ActivityCancellationType.TRY_CANCEL,
});

/** Writes are short, say "set to" and never "add", and are finished before anything else is done. */
const writes: ActivityOptions = {
  startToCloseTimeout: planTimeoutMs,
  // A plan that is lost with its worker is begun again by another one well before that.
  heartbeatTimeout: '10 seconds',
  retry: { ...patient, nonRetryableErrorTypes },
  cancellationType: ActivityCancellationType.WAIT_CANCELLATION_COMPLETED,
};

export const carryOut = proxyActivities<Activities>(writes);

/** The way back to the primary never gives up, not even on what a person has to mend. */
export const wayBack = proxyActivities<Activities>({ ...writes, retry: { ...patient, maximumInterval: '30 seconds' } });

/** Somebody waits for the answer, and can ask again: a dependency that is down for longer is an answer too. */
export const impatient = proxyActivities<Activities>({
  scheduleToCloseTimeout: '15 seconds',
  retry: { ...patient, nonRetryableErrorTypes },
  cancellationType: ActivityCancellationType.TRY_CANCEL,
});

/** Calls to other people's servers. A refusal is an answer; an attempt that is lost with its worker is made again. */
export function outside(timeoutMs: number) {
  return proxyActivities<Activities>({
    startToCloseTimeout: timeoutMs,
    heartbeatTimeout: '10 seconds',
    retry: { ...patient, nonRetryableErrorTypes },
    cancellationType: ActivityCancellationType.TRY_CANCEL,
  });
}

/** Nothing waits for it but the end of a run, which a sink that is down for long must not keep open. */
export const { archive } = proxyActivities<Activities>({
  startToCloseTimeout: '1 minute',
  scheduleToCloseTimeout: '10 minutes',
  retry: { ...patient, nonRetryableErrorTypes },
  cancellationType: ActivityCancellationType.TRY_CANCEL,
});
