import type { Writable } from 'node:stream';

/** What the picture shows of a release. */
export interface Scene {
  readonly title: string;
  readonly phase: string;
  /** Percent of requests. */
  readonly canaryWeight: number;
  readonly failedChecks: number;
  readonly threshold: number;
  readonly canaryImage: string;
  readonly primaryImage: string;
  /** Available of wanted pods. */
  readonly canaryPods: string;
  readonly primaryPods: string;
}

export interface Picture {
  /** Prints a line above the picture. */
  line(text: string): void;
  /** Redraws the picture; without a terminal, prints a line when weight or phase have changed. */
  show(scene: Scene): void;
  /** Takes the picture away, leaving the lines. */
  end(): void;
}

const width = 40;

/** A few lines at the bottom of a terminal that are redrawn as the release moves on; plain lines anywhere else. */
export function createPicture(out: Writable & { isTTY?: boolean }, startedAt = Date.now()): Picture {
  const stamp = () => `${((Date.now() - startedAt) / 1000).toFixed(1).padStart(6)}s`;
  return out.isTTY ? live(out, stamp) : plain(out, stamp);
}

function plain(out: Writable, stamp: () => string): Picture {
  let last = '';
  return {
    line: (text) => void out.write(`${stamp()}  ${text}\n`),
    show(scene) {
      const now = `${scene.phase}, ${scene.canaryWeight} % of traffic on the canary`;
      if (now !== last) out.write(`${stamp()}  ── ${now}\n`);
      last = now;
    },
    end: () => undefined,
  };
}

function live(out: Writable, stamp: () => string): Picture {
  let drawn: readonly string[] = [];
  const erase = () => {
    if (drawn.length > 0) out.write(`\x1b[${drawn.length}A\x1b[0J`);
    drawn = [];
  };
  let current: readonly string[] = [];
  const draw = () => {
    out.write(current.map((row) => `${row}\n`).join(''));
    drawn = current;
  };
  return {
    line(text) {
      erase();
      out.write(`\x1b[2m${stamp()}\x1b[0m  ${text}\n`);
      draw();
    },
    show(scene) {
      const next = rows(scene);
      if (next.join() === drawn.join()) return;
      erase();
      current = next;
      draw();
    },
    end() {
      erase();
      current = [];
    },
  };
}

/** The picture: who serves what, as two bars. */
export function rows(scene: Scene): string[] {
  const { canaryWeight } = scene;
  const primaryWeight = 100 - canaryWeight;
  return [
    '',
    `  \x1b[1m${scene.title}\x1b[0m   ${scene.phase}   failed checks ${scene.failedChecks}/${scene.threshold}`,
    `  primary ${bar(primaryWeight, '\x1b[34m')} ${percent(primaryWeight)}  ${scene.primaryImage}  pods ${scene.primaryPods}`,
    `  canary  ${bar(canaryWeight, '\x1b[33m')} ${percent(canaryWeight)}  ${scene.canaryImage}  pods ${scene.canaryPods}`,
  ];
}

function bar(weight: number, colour: string): string {
  const full = Math.round((weight / 100) * width);
  return `${colour}${'█'.repeat(full)}\x1b[2m${'░'.repeat(width - full)}\x1b[0m`;
}

const percent = (weight: number) => `${String(weight).padStart(3)} %`;
