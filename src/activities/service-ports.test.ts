import { describe, expect, it } from '@jest/globals';
import { shopCanary } from '../../test/support/shop.ts';
import { servicePorts } from './service-ports.ts';
import type { ContainerPort } from './workloads/workload.ts';

const port = (name: string | undefined, port: number, more: Partial<ContainerPort> = {}): ContainerPort => {
  return { container: 'web', index: 0, ...(name ? { name } : {}), port, protocol: 'TCP', ...more };
};
const portsOf = (service: object, ...found: ContainerPort[]) =>
  servicePorts(shopCanary({ service: { portDiscovery: true, ...service } }), found);
const brief = (service: object, ...found: ContainerPort[]) =>
  portsOf(service, ...found).ports.map(
    ({ name, port, protocol, targetPort }) => `${name} ${port}/${protocol}>${targetPort}`,
  );

describe('the ports of the Services', () => {
  it.each([
    ['name, number and target as given', { port: 80, portName: 'grpc', targetPort: 'api' }, ['grpc 80/TCP>api']],
    ['http, and the same number behind it, where only a number is given', { port: 9898 }, ['http 9898/TCP>9898']],
    ['a target port of zero for none', { port: 80, targetPort: 0 }, ['http 80/TCP>80']],
    ['a target port of "0" for none', { port: 80, targetPort: '0' }, ['http 80/TCP>80']],
  ])('are %s', (_, service, expected) => {
    expect(brief({ ...service, portDiscovery: false }, port('metrics', 9797))).toEqual(expected);
  });

  it('carry the application protocol as it is written', () => {
    expect(portsOf({ port: 80, appProtocol: 'kubernetes.io/h2c' }).ports[0]).toMatchObject({
      appProtocol: 'kubernetes.io/h2c',
    });
  });

  const three = [port('http', 8080), port('metrics', 9797), port(undefined, 5000, { index: 2 })];
  it.each([
    [
      'by number, where the target port is unset',
      { port: 8080 },
      ['http 8080/TCP>8080', 'tcp-web-2 5000/TCP>5000', 'metrics 9797/TCP>9797'],
    ],
    [
      'by number',
      { port: 80, targetPort: 8080 },
      ['http 80/TCP>8080', 'tcp-web-2 5000/TCP>5000', 'metrics 9797/TCP>9797'],
    ],
    [
      'by name',
      { port: 80, targetPort: 'http' },
      ['http 80/TCP>http', 'tcp-web-2 5000/TCP>5000', 'metrics 9797/TCP>9797'],
    ],
  ])('include those of the containers but the one the Canary names %s, by number', (_, service, expected) => {
    expect(brief(service, ...three)).toEqual(expected);
  });

  it('BC-23: rename a discovered port whose name the first one has', () => {
    const found = [port('http', 9003), port('mcp', 8081), port('http-ui', 9090)];
    expect(brief({ port: 9090 }, ...found)).toEqual([
      'http 9090/TCP>9090',
      'mcp 8081/TCP>8081',
      'http-9003 9003/TCP>9003',
    ]);
  });

  it('BC-23: rename the second of two containers that use one name', () => {
    const found = [port('metrics', 9797), port('metrics', 15020, { container: 'agent' })];
    expect(brief({ port: 80 }, ...found)).toEqual([
      'http 80/TCP>80',
      'metrics 9797/TCP>9797',
      'metrics-15020 15020/TCP>15020',
    ]);
  });

  it('BC-24: leave out one of two names for one number, and say which', () => {
    const found = [port('monitoring', 8080), port('api', 8080)];
    expect(portsOf({ port: 80, targetPort: 3000 }, ...found)).toMatchObject({
      ports: [{ name: 'http' }, { name: 'api', port: 8080 }],
      leftOut: [
        'container port monitoring (8080/TCP of web) is left out of the Services: 8080/TCP is taken by port api',
      ],
    });
  });

  it('leave out a port whose number the first one has on the outside', () => {
    expect(portsOf({ port: 80, targetPort: 8080 }, port('admin', 80))).toMatchObject({
      ports: [{ name: 'http', port: 80, targetPort: 8080 }],
      leftOut: ['container port admin (80/TCP of web) is left out of the Services: 80/TCP is taken by port http'],
    });
  });

  it('BC-24: keep UDP what it is, beside TCP on the same number', () => {
    const found = [
      port('dns', 53),
      port('dns-udp', 53, { protocol: 'UDP' }),
      port(undefined, 54, { protocol: 'UDP', index: 2 }),
    ];
    expect(brief({ port: 53 }, ...found)).toEqual(['http 53/TCP>53', 'dns-udp 53/UDP>53', 'udp-web-2 54/UDP>54']);
  });

  it('BC-24: come out the same in whatever order they are found', () => {
    const found = [port('b', 2), port('a', 1), port('b', 3), port('c', 2), port('d', 2, { protocol: 'UDP' })];
    const seen = new Set<string>();
    for (let turn = 0; turn < 100; turn++) {
      found.push(found.shift()!);
      seen.add(JSON.stringify(portsOf({ port: 80 }, ...(turn % 2 ? found : [...found].reverse()))));
    }
    expect(seen.size).toBe(1);
  });

  it('have names that the API server takes, however long the container is called', () => {
    expect(brief({ port: 80 }, port(undefined, 8443, { container: 'x'.repeat(63) }))[1]).toBe('tcp-8443 8443/TCP>8443');
  });
});
