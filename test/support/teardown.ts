/** Undoes what the set-ups of a level did, last thing first. */
export default async function tearDown(): Promise<void> {
  for (let undo = undos.pop(); undo; undo = undos.pop()) await undo();
}

type Undo = () => Promise<void>;

// Jest loads a set-up and the teardown in one process but not always as the same module, so the list belongs to the process.
const shared = globalThis as { serinTeardown?: Undo[] };
const undos = (shared.serinTeardown ??= []);

/** Has the teardown of the level call `undo`. */
export function atTeardown(undo: Undo): void {
  undos.push(undo);
}

/** Tells whoever waits for the set-up what it is doing. */
export function say(line: string): void {
  process.stderr.write(`${line}\n`);
}
