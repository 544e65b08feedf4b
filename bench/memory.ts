import { readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { applications, builtInChecks, change, install, together, untilAll } from './applications.ts';
import { median, type Benchmark } from './benchmark.ts';
import { inLab, type Lab } from './lab.ts';

/** Resident memory of worker and starter: at rest, and with many releases in flight, through their first judgments. */
export const memory: Benchmark = {
  about: 'memory of worker and starter at rest and with many releases in flight',
  run: ({ inFlight }, say) =>
    inLab({ parts: ['cluster', 'workloads', 'metrics', 'temporal'], readyDelayMs: 300 }, say, async (lab) => {
      const apps = applications(inFlight);
      const analysis = { interval: '60s', stepWeight: 10, maxWeight: 50, metrics: builtInChecks };
      await install(lab.kubernetes, apps, analysis, say);
      await lab.atRest(10_000, 300_000);
      const rest = await sampled(lab, () => sleep(10_000));

      let open = 0;
      const busy = await sampled(lab, async () => {
        const since = performance.now();
        await together(apps, (app) => change(lab.kubernetes, app, '1'));
        await untilAll(lab.kubernetes, apps, 'in flight', ({ canaryWeight }) => canaryWeight >= 10, say);
        say(`${apps.length} releases in flight after ${((performance.now() - since) / 1000).toFixed(1)} s`);
        open = (await lab.temporal.workflow.count('ExecutionStatus = "Running"')).count;
        await untilAll(lab.kubernetes, apps, 'past their first check', ({ canaryWeight }) => canaryWeight >= 20, say);
      });
      return [
        { name: `worker at rest, ${inFlight} Canaries`, value: median(rest.worker), unit: 'MiB', atMost: 500 },
        { name: `starter at rest, ${inFlight} Canaries`, value: median(rest.starter), unit: 'MiB', atMost: 300 },
        { name: 'releases in flight', value: open, unit: '' },
        { name: `worker, ${inFlight} in flight, peak`, value: Math.max(...busy.worker), unit: 'MiB', atMost: 500 },
        { name: `starter, ${inFlight} in flight, peak`, value: Math.max(...busy.starter), unit: 'MiB', atMost: 300 },
      ];
    }),
};

interface Samples {
  readonly worker: readonly number[];
  readonly starter: readonly number[];
}

/** Resident memory in MiB, five times a second while `work` goes on. */
async function sampled({ serin: { processes } }: Lab, work: () => Promise<void>): Promise<Samples> {
  const worker: number[] = [];
  const starter: number[] = [];
  const clock = setInterval(() => {
    worker.push(residentMib(processes.worker.pid));
    starter.push(residentMib(processes.starter.pid));
  }, 200);
  try {
    await work();
  } finally {
    clearInterval(clock);
  }
  return { worker, starter };
}

/** @see proc_pid_status(5), `VmRSS` */
function residentMib(pid: number | undefined): number {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8');
  return Number(/^VmRSS:\s+(\d+) kB$/m.exec(status)?.[1]) / 1024;
}
