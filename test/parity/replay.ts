import { play, setRevision, type Act, type Behaviour, type Play, type State } from '../../src/simulation/world.ts';
import type { Recording, RecordedAct } from './recording.ts';

/** Plays a recorded scenario: the same Canary, the same pods, the same acts at the same points of the release. */
export function replay(recording: Recording): Play {
  const gates = { open: false, rollback: false, prometheus: true };
  const silent = recording.scenario === 'no-traffic';
  const behaviour = (revision: string) => podsOf(revision, silent);
  return play({
    settings: recording.settings,
    revision: 'v1:3.1.0',
    behaviour,
    hook: ({ type }) => {
      if (type === 'rollback') return gates.rollback ? undefined : 'closed';
      return type.startsWith('confirm-') && !gates.open ? 'closed' : undefined;
    },
    metricsDown: () => (gates.prometheus ? undefined : prometheusError(recording)),
    acts: recording.acts.map((act) => actOf(act, gates, behaviour)),
    endMs: 3_600_000,
  });
}

/** Image tags decide how pods behave. The durations are what the recorded Prometheus answered for such an image. */
function podsOf(revision: string, silent: boolean): Behaviour {
  const errors = Number(/-err(\d+)/.exec(revision)?.[1] ?? 0);
  return {
    readyAfterMs: /-(neverready|crash)/.test(revision) ? 'never' : revision.includes('-slow') ? 30_000 : 5_000,
    readings: {
      'request-success-rate': silent ? undefined : 100 - errors,
      'request-duration': revision.includes('-lat900') ? 995 : 45,
    },
  };
}

function prometheusError({ story }: Recording): string {
  const prefix = 'W Prometheus query failed: ';
  const events = story.flat().flatMap((fact) => (fact.kind === 'event' ? [fact.text] : []));
  return events.find((event) => event.startsWith(prefix))?.slice(prefix.length) ?? 'connection refused';
}

function actOf(
  { what, phase, weight, warnings }: RecordedAct,
  gates: { open: boolean; rollback: boolean; prometheus: boolean },
  behaviour: (revision: string) => Behaviour,
): Act {
  return {
    atMs: 0,
    when: (world, lines) => {
      const told = lines.filter((line) => line.kind === 'event' && line.type === 'Warning');
      const counted = told.filter((line) => !('message' in line && line.message.includes('not ready: waiting')));
      return world.status.phase === phase && (world.routes?.canary ?? 0) === weight && counted.length >= warnings;
    },
    ...deed(what, gates, behaviour),
  };
}

function deed(
  what: string,
  gates: { open: boolean; rollback: boolean; prometheus: boolean },
  behaviour: (revision: string) => Behaviour,
): Pick<Act, 'do' | 'hints'> {
  const image = /^(?:release: |(?:old )?image )(\S+)/.exec(what)?.[1];
  if (image) return { do: setRevision(`v1:${image}`, behaviour) };
  // Gates, Prometheus and outages are nothing that a watch would see.
  const unseen = (act: (world: State) => void) => ({ do: act, hints: false });
  switch (what) {
    case 'gate opened':
      return unseen(() => void (gates.open = true));
    case 'gate closed':
      return unseen(() => void (gates.open = false));
    case 'rollback opened':
      return unseen(() => void (gates.rollback = true));
    case 'Prometheus stopped':
      return unseen(() => void (gates.prometheus = false));
    case 'Prometheus goes on':
      return unseen(() => void (gates.prometheus = true));
    case 'API server stopped for 30 s':
      return unseen((world) => void (world.downUntil = world.now + 30_000));
    case 'controller killed, started again after 2 s':
    case 'controller killed 3 s after the step began, started again after 2 s':
      // A worker that is gone leaves the release where it is: what it was asked for is done by the next one.
      return unseen((world) => void (world.downUntil = world.now + 5_000));
    case 'canary deleted':
    case 'release': // the recorder called it so where a deletion was all there was
      return { do: (world) => void (world.deleted = true) };
    case 'suspended':
      return { do: (world) => suspend(world, true) };
    case 'resumed':
      return { do: (world) => suspend(world, false) };
    case "someone changes the primary's image":
      return { do: (world) => void (world.primaryRevision = 'v1:by-hand') };
  }
  throw new Error(`nobody knows how to play: ${what}`);
}

function suspend(world: State, on: boolean): void {
  world.settings = { ...world.settings, suspend: on };
  world.generation += 1;
}
