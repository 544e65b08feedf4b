import { failure } from '../errors.ts';
import type { Canary } from '../schemas/canary.ts';
import type { ContainerPort } from './workloads/workload.ts';

export interface ServicePort {
  name: string;
  protocol: string;
  port: number;
  targetPort: number | string;
  appProtocol?: string;
  nodePort?: number;
}

export interface ServicePorts {
  readonly ports: readonly ServicePort[];
  /** Container ports that no Service can carry beside the others, one sentence each. */
  readonly leftOut: readonly string[];
}

/**
 * The ports of a Canary's Services: the one it names, and with `portDiscovery` those of its containers, by number. No
 * two share a name, nor a number and protocol, since the API server takes neither (BC-23, BC-24).
 *
 * @see routers spec 3.1
 * @throws `InvalidSpec` when two ports can only get the same name
 */
export function servicePorts(canary: Canary, containerPorts: readonly ContainerPort[]): ServicePorts {
  const service = canary.spec.service;
  const main = mainPort(canary);
  const ports = [main];
  const leftOut: string[] = [];
  const discovered = service?.portDiscovery ? containerPorts.filter((port) => !isMain(port, canary)) : [];
  const byNumber = [...discovered].sort(
    (one, other) => one.port - other.port || compareText(nameOf(one), nameOf(other)),
  );
  for (const found of byNumber) {
    const { port, protocol } = found;
    const taken = ports.find((other) => other.port === port && other.protocol === protocol);
    if (taken) {
      const what = `container port ${nameOf(found)} (${port}/${protocol} of ${found.container})`;
      leftOut.push(`${what} is left out of the Services: ${port}/${protocol} is taken by port ${taken.name}`);
      continue;
    }
    ports.push({ name: freeName(found, ports, canary), protocol, port, targetPort: port });
  }
  return { ports, leftOut };
}

function mainPort(canary: Canary): ServicePort {
  const { port = 0, portName, appProtocol } = canary.spec.service ?? {};
  return {
    name: portName || 'http',
    protocol: 'TCP',
    port,
    targetPort: targetPortOf(canary) ?? port,
    ...(appProtocol ? { appProtocol } : {}),
  };
}

/** Zero means unset, whether it is written as a number or as text. */
function targetPortOf(canary: Canary): number | string | undefined {
  const targetPort = canary.spec.service?.targetPort;
  return targetPort === undefined || String(targetPort) === '0' ? undefined : targetPort;
}

/** The port that the Canary names itself. */
function isMain({ port, name, protocol }: ContainerPort, canary: Canary): boolean {
  const targetPort = targetPortOf(canary);
  if (typeof targetPort === 'string') return name === targetPort;
  return protocol === 'TCP' && port === (targetPort ?? canary.spec.service?.port);
}

function nameOf({ name, container, index, port, protocol }: ContainerPort): string {
  const unnamed = `${protocol.toLowerCase()}-${container}-${index}`;
  return name ?? (unnamed.length <= 63 ? unnamed : `${protocol.toLowerCase()}-${port}`);
}

function freeName(found: ContainerPort, taken: readonly ServicePort[], canary: Canary): string {
  const name = nameOf(found);
  const candidates = [name, `${name}-${found.port}`, `${name}-${found.port}-${found.protocol.toLowerCase()}`];
  const free = candidates.find((candidate) => !taken.some((other) => other.name === candidate));
  if (free !== undefined) return free;
  throw failure(
    'InvalidSpec',
    `${canary.spec.targetRef.name}.${canary.metadata.namespace}: container port ${name} (${found.port}) and another port ` +
      'would have the same name in the Services; rename one, or switch spec.service.portDiscovery off',
  );
}

function compareText(one: string, other: string): number {
  if (one === other) return 0;
  return one < other ? -1 : 1;
}
