import * as z from 'zod';
import { stringMap } from './rules.ts';

/** The part of an object's metadata that we read. */
export const Metadata = z.object({
  name: z.string(),
  /** A manifest may leave it to `kubectl`; an object of the API server has it. */
  namespace: z.string().default('default'),
  uid: z.string().optional(),
  generation: z.int().optional(),
  resourceVersion: z.string().optional(),
  creationTimestamp: z.string().optional(),
  deletionTimestamp: z.string().optional(),
  finalizers: z.array(z.string()).optional(),
  labels: stringMap().optional(),
  annotations: stringMap().optional(),
});
