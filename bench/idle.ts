import { setTimeout as sleep } from 'node:timers/promises';
import type { Request } from '../local/audit.ts';
import { applications, install } from './applications.ts';
import type { Benchmark, Figure } from './benchmark.ts';
import { inLab, type Lab } from './lab.ts';

/** Time after the last release in which what it has set off may settle, in milliseconds. */
const quietMs = 10_000;

/** What settled Canaries cost the API server. Worker and starter are probed and scraped meanwhile, as in a cluster. */
export const idle: Benchmark = {
  about: 'requests to the API server while nothing happens',
  run: ({ canaries, idleSeconds }, say) =>
    inLab({ parts: ['cluster', 'workloads', 'temporal'], readyDelayMs: 0 }, say, async (lab) => {
      const figures: Figure[] = [];
      let installed = 0;
      for (const count of canaries) {
        await install(
          lab.kubernetes,
          applications(count - installed, installed),
          { interval: '10s', stepWeight: 50 },
          say,
        );
        installed = count;
        await lab.atRest(quietMs, 300_000);
        say(`${count} Canaries at rest, counting requests for ${idleSeconds} s`);
        const requests = await requestsDuring(lab, idleSeconds * 1000);
        for (const line of tally(requests)) say(line);
        const perMinute = (some: readonly Request[]) => (some.length * 60) / idleSeconds;
        figures.push(
          {
            name: `requests besides watches, ${count} Canaries`,
            value: perMinute(requests.filter(({ verb }) => verb !== 'watch')),
            unit: 'a minute',
            atMost: 0,
          },
          {
            name: `watches begun, ${count} Canaries`,
            value: perMinute(requests.filter(({ verb }) => verb === 'watch')),
            unit: 'a minute',
          },
        );
      }
      return figures;
    }),
};

/** Probes as the kubelet does and scrapes as Prometheus does, and returns what the API server was asked meanwhile. */
async function requestsDuring({ serin, requests }: Lab, ms: number): Promise<Request[]> {
  const from = Date.now();
  for (const until = from + ms; Date.now() < until; await sleep(Math.min(10_000, Math.max(0, until - Date.now()))))
    await Promise.all(
      serin.metrics.flatMap((address) =>
        ['healthz', 'readyz', 'metrics'].map((page) =>
          fetch(`http://${address}/${page}`).then((answer) => answer.text()),
        ),
      ),
    );
  const to = from + ms;
  return requests().filter(({ at }) => at >= from && at < to);
}

function tally(requests: readonly Request[]): string[] {
  const counts = new Map<string, number>();
  for (const { by, verb, about } of requests) {
    const what = `${by}: ${verb} ${about}`;
    counts.set(what, (counts.get(what) ?? 0) + 1);
  }
  return [...counts].map(([what, count]) => `  ${count} × ${what}`);
}
