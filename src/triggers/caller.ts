import type { IncomingMessage } from 'node:http';
import { BlockList, isIP } from 'node:net';

/** Reads `10.0.0.0/8,fd00::/8`; single addresses count as well. @throws Error naming what is no network */
export function networks(text: string): BlockList {
  const list = new BlockList();
  for (const entry of text.split(/[\s,]+/).filter((part) => part !== '')) {
    const [address = '', prefix] = entry.split('/');
    const family = isIP(address) === 6 ? 'ipv6' : 'ipv4';
    const bits = prefix === undefined ? (family === 'ipv6' ? 128 : 32) : Number(prefix);
    if (isIP(address) === 0 || !Number.isInteger(bits) || bits < 0 || bits > (family === 'ipv6' ? 128 : 32))
      throw new Error(`"${entry}" is no network such as 10.0.0.0/8`);
    list.addSubnet(address, bits, family);
  }
  return list;
}

/** Whether an address is in one of the networks. */
export function isIn(list: BlockList, address: string): boolean {
  const plain = address.replace(/^::ffff:(?=\d+\.)/, '');
  const version = isIP(plain);
  return version !== 0 && list.check(plain, version === 6 ? 'ipv6' : 'ipv4');
}

/** Who called: the nearest address that is no proxy of ours. What others say of it further on is not believed. */
export function callerOf(request: IncomingMessage, trusted?: BlockList): string {
  const forwarded = request.headers['x-forwarded-for'];
  const said = (Array.isArray(forwarded) ? forwarded.join(',') : (forwarded ?? ''))
    .split(',')
    .map((part) => part.trim());
  let caller = request.socket.remoteAddress ?? '';
  while (trusted && isIn(trusted, caller)) {
    const before = said.pop();
    if (before === undefined || isIP(before) === 0) break;
    caller = before;
  }
  return caller;
}
