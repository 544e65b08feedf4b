import * as z from 'zod';
import { CorsPolicy, Headers, Retries, Rewrite, RouteMatch, TrafficPolicy } from './istio.ts';
import { choice, intOrString, stringMap, wholeInt32 } from './rules.ts';

const dnsLabel = /^[a-z0-9]([-a-z0-9]*[a-z0-9])?$/;
const dnsSubdomain = /^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$/;

/** Fields with which the Gateway API names an object; the rules are its own. */
const group = z
  .string()
  .max(253)
  .regex(new RegExp(`^$|${dnsSubdomain.source}`));
const kind = z
  .string()
  .min(1)
  .max(63)
  .regex(/^[a-zA-Z]([-a-zA-Z0-9]*[a-zA-Z0-9])?$/);
const name = z.string().min(1).max(253);
const namespace = z.string().min(1).max(63).regex(dnsLabel);
const port = z.int().min(1).max(65535).meta({ format: 'int32' });

const GatewayRef = z.object({
  group: group.default('gateway.networking.k8s.io'),
  kind: kind.default('Gateway'),
  name,
  namespace: namespace.optional(),
  sectionName: z.string().min(1).max(253).regex(dnsSubdomain).optional(),
  port: port.optional(),
});

const MirrorBackend = z
  .object({
    group: group.default(''),
    kind: kind.default('Service'),
    name,
    namespace: namespace.optional(),
    port: port.optional(),
  })
  .refine((ref) => ref.group !== '' || ref.kind !== 'Service' || ref.port !== undefined, {
    error: 'Must have port for Service reference',
  })
  .meta({
    'x-kubernetes-validations': [
      {
        rule: "(size(self.group) == 0 && self.kind == 'Service') ? has(self.port) : true",
        message: 'Must have port for Service reference',
      },
    ],
  });

const Metadata = z.object({ labels: stringMap().optional(), annotations: stringMap().optional() });

/** The Services and routes that are made for a target. */
export const CanaryService = z.object({
  name: z
    .string()
    .optional()
    .describe('Name of the apex Service, which clients call. The name of the target by default.'),
  port: wholeInt32().describe('Port of the Services.'),
  portName: z.string().optional().describe('Name of that port, http by default. Istio reads the protocol from it.'),
  targetPort: intOrString().optional().describe('Container port, by number or name. The same as port by default.'),
  appProtocol: z.string().optional().describe('Application protocol of the port. tcp makes TCP routes.'),
  trafficDistribution: choice(['PreferClose', 'PreferSameZone', 'PreferSameNode']).optional(),
  portDiscovery: z.boolean().optional().describe('Add the other container ports to the Services.'),
  headless: z.boolean().optional().describe('Make the Services without a cluster IP.'),
  timeout: z.string().optional().describe('Longest a request may take.'),
  backendTimeout: z.string().optional().describe('Longest a request to one backend may take (gatewayapi:v1).'),
  meshName: z.string().optional().describe('Mesh of the workload (appmesh).'),
  backends: z.array(z.string()).optional().describe('Services that the workload calls (appmesh).'),
  hosts: z.array(z.string()).optional().describe('Hosts of the route. The apex name by default.'),
  gateways: z.array(z.string()).optional().describe('Gateways of the route. The mesh by default (istio).'),
  gatewayRefs: z.array(GatewayRef).max(32).optional().describe('Parents of the route (gatewayapi).'),
  delegation: z.boolean().optional().describe('Make a VirtualService that another one delegates to (istio).'),
  match: z.array(RouteMatch).optional().describe('Requests that the route is for. All by default.'),
  rewrite: Rewrite.optional(),
  retries: Retries.optional(),
  headers: Headers.optional(),
  mirror: z
    .array(z.object({ backendRef: MirrorBackend.optional() }))
    .optional()
    .describe('Backends that get copies of requests (gatewayapi).'),
  corsPolicy: CorsPolicy.optional(),
  trafficPolicy: TrafficPolicy.optional(),
  apex: Metadata.optional().describe('Labels and annotations of the apex Service and of the route.'),
  primary: Metadata.optional().describe('Labels and annotations of the primary Service.'),
  canary: Metadata.optional().describe('Labels and annotations of the canary Service.'),
  unmanagedMetadata: z
    .object({ annotations: z.array(z.string()).optional(), labels: z.array(z.string()).optional() })
    .optional()
    .describe('Keys on the Services that other controllers own.'),
});

export type CanaryService = z.infer<typeof CanaryService>;
