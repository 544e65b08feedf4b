import * as z from 'zod';
import { Metadata } from './metadata.ts';
import { dropNulls, parseWith } from './parse.ts';
import { choice } from './rules.ts';

/**
 * The CRD takes either an address or a Secret, as Flagger's does. The parser also takes both, and the Secret wins:
 * that is what Flagger's own documentation shows and what older objects hold.
 */
export const AlertProviderSpec = z
  .object({
    type: choice(['slack', 'msteams', 'discord', 'rocket', 'gchat']),
    channel: z.string().optional().describe('Channel that gets the alerts, general by default.'),
    username: z.string().optional().describe('Name that the alerts come from.'),
    address: z.string().optional().describe('Address of the hook.'),
    proxy: z.string().optional().describe('Address of an HTTP proxy.'),
    secretRef: z
      .object({ name: z.string() })
      .optional()
      .describe('Secret with the address of the hook under the key address, in this namespace.'),
  })
  .refine(({ address, secretRef }) => address !== undefined || secretRef !== undefined, {
    error: 'needs one of address and secretRef',
  })
  .meta({ oneOf: [{ required: ['type', 'address'] }, { required: ['type', 'secretRef'] }] });

/** Where alerts go that Canaries send from `analysis.alerts[].providerRef`. */
export const AlertProvider = z.object({
  apiVersion: z.literal('flagger.app/v1beta1'),
  kind: z.literal('AlertProvider'),
  metadata: Metadata,
  spec: AlertProviderSpec,
});

export type AlertProvider = z.infer<typeof AlertProvider>;

/** Reads an AlertProvider. Never throws; a `problem` has a sentence for each thing that is wrong, with its path. */
export function parseAlertProvider(
  object: unknown,
): { readonly provider: AlertProvider } | { readonly problem: string } {
  const parsed = parseWith(AlertProvider, dropNulls(object));
  return 'problem' in parsed ? parsed : { provider: parsed.value };
}
