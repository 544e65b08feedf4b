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
