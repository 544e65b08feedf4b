import * as z from 'zod';
import { durings, imageDefaults, imageKinds, pins, sorts, writeBacks } from './image-choices.ts';
import { Metadata } from './metadata.ts';
import { dropNulls, parseWith } from './parse.ts';

const Pattern = z.object({
  pattern: z.string().describe('Regular expression of RE2; tags that it does not find anything in are not followed.'),
  extract: z
    .string()
    .optional()
    .describe('What is compared, from groups of the pattern, such as $n. The whole tag by default.'),
});

const kindsOfPolicy = ['exact', 'semver', 'numerical', 'alphabetical', 'timestamp', 'glob'] as const;

const Policy = z
  .object({
    exact: z.object({ tag: z.string() }).optional().describe('One tag, whenever it points to another digest.'),
    semver: z
      .object({
        range: z.string().describe('Such as ^1.4. Pre-releases count when the range names one.'),
        coerce: z.boolean().default(imageDefaults.coerce).describe('Also read 1.2 and v1 as versions.'),
      })
      .optional()
      .describe('The highest version in a range.'),
    numerical: Pattern.optional().describe('The highest whole number.'),
    alphabetical: Pattern.optional().describe('The last in the order of code points.'),
    timestamp: Pattern.optional().describe('The latest time, written from year to second.'),
    glob: z
      .object({
        pattern: z.string().describe('* stands for any characters, ? for one.'),
        sort: z.enum(sorts).optional().describe('Needed when the tags are not all versions.'),
      })
      .optional()
      .describe('The highest of the tags that fit a pattern.'),
  })
  .refine((policy) => Object.values(policy).filter((one) => one !== undefined).length === 1, {
    error: `needs exactly one of ${kindsOfPolicy.join(', ')}`,
  })
  .meta({ oneOf: kindsOfPolicy.map((kind) => ({ required: [kind] })) });

const Image = z.object({
  container: z.string().min(1).describe('Name of the container, or of the volume.'),
  kind: z.enum(imageKinds).default(imageDefaults.kind).describe('Where in the pod the image is named.'),
  repository: z.string().optional().describe('Registry and path; pods that use another image are left alone.'),
  policy: Policy.describe('Which tags are followed.'),
  adopt: z.boolean().default(imageDefaults.adopt).describe('Take over from a tag that has no place in the order.'),
  rollOnRetag: z
    .boolean()
    .default(imageDefaults.rollOnRetag)
    .describe('Replace pods for a new tag of the digest that runs.'),
});

export const ImageTriggerSpec = z.object({
  canaryRef: z.object({ name: z.string().min(1) }).describe('The Canary whose target is given new images.'),
  receivers: z
    .array(z.string().min(1))
    .min(1)
    .describe('Receivers that may do so. Each has to list this namespace as well.'),
  images: z.array(Image).min(1).describe('Images of the pod that follow tags.'),
  pin: z.enum(pins).default(imageDefaults.pin).describe('What is written.'),
  writeBack: z
    .object({ mode: z.enum(writeBacks).default(imageDefaults.writeBack) })
    .prefault({})
    .describe('What is done about images that a GitOps tool owns.'),
  poll: z
    .object({ interval: z.string().optional().describe('At least 1m; off for never; 10m by default.') })
    .prefault({})
    .describe('How often the registry is asked, whatever it tells by itself.'),
  suspend: z.boolean().default(false).describe('Write nothing for the time being.'),
  duringRelease: z
    .enum(durings)
    .default(imageDefaults.during)
    .describe('What a newer image does to a release in progress.'),
  restartOnDigestChange: z
    .boolean()
    .default(false)
    .describe('With pin: tag, replace pods when the tag moves, by an annotation of the pod template.'),
  forbidAnnotations: z
    .boolean()
    .default(false)
    .describe('Canaries of this namespace follow images by ImageTriggers only.'),
});

/** Conditions that the worker writes. */
export const ImageTriggerStatus = z.object({
  conditions: z
    .array(
      z.object({
        type: z.string(),
        status: z.string(),
        reason: z.string().optional(),
        message: z.string().optional(),
        lastTransitionTime: z.string().optional(),
      }),
    )
    .optional(),
});

/** Which images a Canary follows, owned by whoever owns the platform. It wins over annotations of the Canary. */
export const ImageTrigger = z.object({
  apiVersion: z.literal('serin.dev/v1alpha1'),
  kind: z.literal('ImageTrigger'),
  metadata: Metadata,
  spec: ImageTriggerSpec,
});
export type ImageTrigger = z.infer<typeof ImageTrigger>;

/** Reads an ImageTrigger. Never throws; a `problem` has a sentence for each thing that is wrong, with its path. */
export function parseImageTrigger(object: unknown): { readonly trigger: ImageTrigger } | { readonly problem: string } {
  const parsed = parseWith(ImageTrigger, dropNulls(object));
  return 'problem' in parsed ? parsed : { trigger: parsed.value };
}
