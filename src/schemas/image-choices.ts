/** What of an image is written into pod templates. */
export const pins = ['tag+digest', 'digest', 'tag'] as const;
export type Pin = (typeof pins)[number];

/** What is done about an image that a GitOps tool owns: `auto` tells the tool, `cluster` writes all the same. */
export const writeBacks = ['auto', 'cluster', 'notify', 'none'] as const;
export type WriteBack = (typeof writeBacks)[number];

/** What a newer image does to a release in progress. */
export const durings = ['restart', 'queueLatest', 'ignore'] as const;
export type During = (typeof durings)[number];

/** How tags are compared. `timestamp` is `alphabetical`: times that are written from year to second sort as text. */
export const sorts = ['semver', 'numerical', 'alphabetical', 'timestamp'] as const;
export type Sort = (typeof sorts)[number];

/** Where in a pod an image is named. */
export const imageKinds = ['container', 'initContainer', 'imageVolume'] as const;
export type ImageKind = (typeof imageKinds)[number];

/** What holds where nobody says anything, in annotations and in ImageTriggers. */
export const imageDefaults = {
  kind: 'container',
  pin: 'tag+digest',
  writeBack: 'auto',
  during: 'restart',
  coerce: false,
  adopt: true,
  rollOnRetag: false,
  /** Time between two looks at the registry, in milliseconds. */
  pollMs: 600_000,
} as const satisfies {
  readonly kind: ImageKind;
  readonly pin: Pin;
  readonly writeBack: WriteBack;
  readonly during: During;
} & Readonly<Record<string, unknown>>;
