import { resources, type KubernetesObject } from '../src/clients/kubernetes.ts';
import { viewDeployment } from '../src/watch/hints.ts';
import {
  applications,
  builtInChecks,
  change,
  install,
  revisionOf,
  statusOf,
  type Application,
} from './applications.ts';
import { median, type Benchmark } from './benchmark.ts';
import { inLab, type Lab } from './lab.ts';
import { openSightings, type Sightings } from './sightings.ts';

const steps = 10;
const drainMs = 1_000;

/** How long a release takes, beside what it has to wait for: its intervals, its pods, and the data plane. */
export const duration: Benchmark = {
  about: 'duration of a ten-step release against the sum of its intervals and readiness times',
  run: ({ intervalSeconds }, say) =>
    inLab(
      { parts: ['cluster', 'workloads', 'metrics', 'temporal'], readyDelayMs: 2_000, drainMs },
      say,
      async (lab) => {
        const apps = applications(3);
        const analysis = {
          interval: `${intervalSeconds}s`,
          stepWeight: 100 / steps,
          maxWeight: 100,
          metrics: builtInChecks,
        };
        await install(lab.kubernetes, apps, analysis, say);
        await lab.atRest(1_000);
        say(`${apps.length} releases of ${steps} steps of ${intervalSeconds} s`);
        const intervalsMs = steps * intervalSeconds * 1000;
        const releases = await timed(lab, apps);
        const seconds = (of: (release: Timed) => number) => median(releases.map(of)) / 1000;
        const readyMs = ({ canaryMs, primaryMs }: Timed) => intervalsMs + canaryMs + primaryMs;
        const floorMs = (release: Timed) => readyMs(release) + drainMs;
        const against = (of: (release: Timed) => number) =>
          median(releases.map((release) => (release.totalMs / of(release)) * 100));
        return [
          { name: 'ten-step release', value: seconds(({ totalMs }) => totalMs), unit: 's' },
          { name: 'sum of its intervals', value: intervalsMs / 1000, unit: 's' },
          { name: 'canary scaled up until ready', value: seconds(({ canaryMs }) => canaryMs), unit: 's' },
          { name: 'primary changed until ready', value: seconds(({ primaryMs }) => primaryMs), unit: 's' },
          { name: 'time for the data plane', value: drainMs / 1000, unit: 's' },
          { name: 'everything else', value: seconds((release) => release.totalMs - floorMs(release)), unit: 's' },
          { name: 'release against intervals and readiness', value: against(readyMs), unit: '%' },
          { name: 'release against all it has to wait for', value: against(floorMs), unit: '%' },
        ];
      },
    ),
};

interface Timed {
  /** From the write that changes the template to the final status. */
  readonly totalMs: number;
  /** From the scale-up to ready pods. */
  readonly canaryMs: number;
  /** From the changed template of the primary to ready pods. */
  readonly primaryMs: number;
}

async function timed({ kubernetes }: Lab, apps: readonly Application[]): Promise<Timed[]> {
  const [{ namespace }] = apps as [Application];
  const deployments = await openSightings(kubernetes, resources.deployments, namespace);
  const canaries = await openSightings(kubernetes, resources.canaries, namespace);
  try {
    return await Promise.all(
      apps.map((app) => release(app, deployments, canaries, () => change(kubernetes, app, '1'))),
    );
  } finally {
    await deployments.close();
    await canaries.close();
  }
}

async function release(
  { name }: Application,
  deployments: Sightings,
  canaries: Sightings,
  begin: () => Promise<void>,
): Promise<Timed> {
  const patience = 600_000;
  const sees = (what: string, deployment: string, isIt: (view: ReturnType<typeof viewDeployment>) => boolean) =>
    deployments.next(
      `${deployment} ${what}`,
      (object) => object.metadata.name === deployment && revisionOf(object) === '1' && isIt(viewDeployment(object)),
      patience,
    );
  const ended = (canary: KubernetesObject) => canary.metadata.name === name && statusOf(canary).phase === 'Succeeded';
  const sights = [
    sees('scaled up', name, ({ parked }) => !parked),
    sees('ready', name, ({ parked, ready }) => !parked && ready),
    sees('changed', `${name}-primary`, () => true),
    sees('ready', `${name}-primary`, ({ ready }) => ready),
    canaries.next(`${name} released`, ended, patience),
  ] as const;
  const since = performance.now();
  const [scaled, canaryReady, changed, primaryReady, end] = await Promise.all([...sights, begin()]);
  return { totalMs: end - since, canaryMs: canaryReady - scaled, primaryMs: primaryReady - changed };
}
