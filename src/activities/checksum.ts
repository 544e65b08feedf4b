/** The part of `Canary.status` that names a revision. */
export interface Revision {
  readonly trackedConfigs?: Readonly<Record<string, string>>;
  readonly lastAppliedSpec?: string;
}

/**
 * The `checksum` of webhook payloads: equal for every call about one revision, and equal to Flagger's.
 * @see engine specification 14.3; Flagger hashes a dump of its own Go struct, which the text below repeats
 */
export function webhookChecksum({ trackedConfigs, lastAppliedSpec = '' }: Revision): string {
  const dump =
    '(struct { TrackedConfigs *map[string]string; LastAppliedSpec string })' +
    `{TrackedConfigs:(*map[string]string)${dumpOf(trackedConfigs)} LastAppliedSpec:(string)${lastAppliedSpec}}`;
  return spell(fnv1a(Buffer.from(dump)));
}

function dumpOf(configs: Revision['trackedConfigs']): string {
  if (!configs) return '<nil>';
  const entries = Object.entries(configs).sort(([a], [b]) => Buffer.compare(Buffer.from(a), Buffer.from(b)));
  return `map[${entries.map(([name, checksum]) => `${name}:${checksum}`).join(' ')}]`;
}

/** FNV-1a, 32 bits. */
function fnv1a(bytes: Uint8Array): number {
  return bytes.reduce((hash, byte) => Math.imul(hash ^ byte, 0x01000193) >>> 0, 0x811c9dc5);
}

/** The decimal digits in an alphabet that spells no words. */
function spell(hash: number): string {
  return String(hash).replace(/\d/g, (digit) => '456789bcdf'[Number(digit)]!);
}
