import { lookup } from 'node:dns';
import { BlockList, isIP, type LookupFunction } from 'node:net';
import { failure } from '../errors.ts';

/**
 * Networks that are nobody's business from outside: this machine, private ones, and where clouds keep their metadata.
 * Sources: IANA's special-purpose address registries for IPv4 and IPv6.
 */
const hidden = new BlockList();
for (const [network, bits] of [
  ['0.0.0.0', 8],
  ['10.0.0.0', 8],
  ['100.64.0.0', 10],
  ['127.0.0.0', 8],
  ['169.254.0.0', 16],
  ['172.16.0.0', 12],
  ['192.0.0.0', 24],
  ['192.168.0.0', 16],
  ['198.18.0.0', 15],
  ['224.0.0.0', 4],
  ['240.0.0.0', 4],
] as const)
  hidden.addSubnet(network, bits, 'ipv4');
for (const [network, bits] of [
  ['::', 127],
  ['64:ff9b::', 96],
  ['fc00::', 7],
  ['fe80::', 10],
  ['ff00::', 8],
] as const)
  hidden.addSubnet(network, bits, 'ipv6');

/** Whether an address may be reached from a request whose destination somebody else can influence. */
export function isPublic(address: string): boolean {
  const version = isIP(address);
  if (version === 0) return false;
  const mapped = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(address)?.[1];
  if (mapped !== undefined) return isPublic(mapped);
  return !hidden.check(address, version === 6 ? 'ipv6' : 'ipv4');
}

/** @throws `InvalidSpec` for a URL whose host is an address in a private network */
export function assertPublic(url: URL, cure: string): void {
  const host = url.hostname.replace(/^\[|\]$/g, '');
  if (isIP(host) !== 0 && !isPublic(host))
    throw failure('InvalidSpec', `${url.host} is an address in a private network; ${cure}`);
}

/**
 * Looks a name up once, and only lets it lead to public addresses: what was checked is what is connected to, so a name
 * that answers differently the second time gains nothing.
 */
export function publicLookup(cure: string): LookupFunction {
  return (hostname, options, callback) => {
    lookup(hostname, { ...options, all: true }, (error, addresses) => {
      if (error) return callback(error, []);
      const inside = addresses.find(({ address }) => !isPublic(address));
      if (inside)
        return callback(
          failure('InvalidSpec', `${hostname} is ${inside.address}, an address in a private network; ${cure}`),
          [],
        );
      const [first] = addresses;
      if (options.all || !first) return callback(null, addresses);
      return callback(null, first.address, first.family);
    });
  };
}
