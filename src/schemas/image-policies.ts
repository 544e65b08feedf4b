import * as z from 'zod';
import { imageDefaults, imageKinds, sorts } from './image-choices.ts';

/** What the annotation `serin.dev/image-policies` of a Canary holds. */
export const ImagePolicies = z.array(
  z.strictObject({
    /** Of the container or the volume. */
    container: z.string().min(1),
    kind: z.enum(imageKinds).default(imageDefaults.kind),
    policy: z.string(),
    extract: z.string().optional(),
    sort: z.enum(sorts).optional(),
    /** Also read two-part and one-part versions. */
    coerce: z.boolean().default(imageDefaults.coerce),
    /** Take over from a current tag that fits no order. */
    adopt: z.boolean().default(imageDefaults.adopt),
    /** Roll the pods when a new tag points to the digest that already runs. */
    rollOnRetag: z.boolean().default(imageDefaults.rollOnRetag),
  }),
);
export type ImagePolicy = z.output<typeof ImagePolicies>[number];
