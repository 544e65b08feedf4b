/** What the load tester answers. */
export interface Answer {
  readonly status: number;
  readonly body: string;
  /** To be called when the caller has the answer. */
  readonly delivered?: () => void;
}

/**
 * Runs what is asked under a key once. Who asks again under that key gets the first answer, and waits for it if need be:
 * a caller that lost the connection can repeat its request without starting a second test. A failure that was delivered
 * is forgotten, because who has it and asks again wants another try (`retries` of a webhook).
 */
export interface Repeats {
  once(key: string, run: () => Promise<Answer>): Promise<Answer>;
}

export interface RepeatsOptions {
  /** Most answers remembered, and most bytes of their bodies; the oldest give way. */
  readonly maxAnswers?: number;
  readonly maxBytes?: number;
}

/** Remembers answers in memory: a restart forgets them. An answer still awaited is not forgotten. */
export function createRepeats({ maxAnswers = 1000, maxBytes = 64 * 1024 * 1024 }: RepeatsOptions = {}): Repeats {
  const entries = new Map<string, Entry>();
  let bytes = 0;

  function forget(key: string, entry: Entry): void {
    if (entries.get(key) !== entry) return;
    entries.delete(key);
    bytes -= entry.bytes ?? 0;
  }

  function forgetOldest(): void {
    for (const [key, entry] of entries) {
      if (entries.size <= maxAnswers && bytes <= maxBytes) return;
      if (entry.bytes !== undefined) forget(key, entry);
    }
  }

  return {
    async once(key, run) {
      const known = entries.get(key);
      if (known) return known.answer;
      const answer = run().then((given) =>
        given.status < 300 ? given : { ...given, delivered: () => forget(key, entry) },
      );
      const entry: Entry = { answer };
      entries.set(key, entry);
      try {
        entry.bytes = Buffer.byteLength((await answer).body);
        bytes += entry.bytes;
        forgetOldest();
      } catch {
        forget(key, entry); // nothing was answered, so there is nothing to repeat; the caller gets the error below
      }
      return answer;
    },
  };
}

interface Entry {
  readonly answer: Promise<Answer>;
  /** Length of the body, once there is an answer. */
  bytes?: number;
}
