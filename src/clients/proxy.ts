import { BlockList, isIP } from 'node:net';

export type Environment = Readonly<Record<string, string | undefined>>;

/**
 * The proxy that `HTTP_PROXY`, `HTTPS_PROXY` and `NO_PROXY` (or their lower-case forms) name for a URL.
 * `NO_PROXY` is a comma list of `*`, names (which cover their subdomains), `.names` (subdomains alone), addresses and
 * CIDR blocks, each but the last with an optional port. Loopback is never proxied.
 * @see Go, `httpproxy.Config`
 */
export function proxyFor(url: URL, env: Environment): string | undefined {
  const name = url.protocol === 'https:' ? 'HTTPS_PROXY' : 'HTTP_PROXY';
  const proxy = env[name] || env[name.toLowerCase()];
  if (!proxy || isExempt(url, env['NO_PROXY'] || env['no_proxy'] || '')) return undefined;
  return proxy;
}

function isExempt(url: URL, noProxy: string): boolean {
  const host = url.hostname.replace(/^\[|\]$/g, '').toLowerCase();
  const port = url.port || (url.protocol === 'https:' ? '443' : '80');
  if (host === 'localhost' || loopback.check(host, family(host))) return true;
  return noProxy
    .split(',')
    .map((rule) => rule.trim().toLowerCase())
    .some((rule) => rule !== '' && covers(rule, host, port));
}

const loopback = new BlockList();
loopback.addSubnet('127.0.0.0', 8, 'ipv4');
loopback.addAddress('::1', 'ipv6');

function covers(rule: string, host: string, port: string): boolean {
  if (rule === '*') return true;
  const [network, prefix] = rule.split('/');
  if (prefix !== undefined) return inBlock(network!, Number(prefix), host);
  const [, name, rulePort] = /^\[?(.*?)\]?(?::(\d+))?$/.exec(isIP(rule) === 6 ? `[${rule}]` : rule)!;
  if (rulePort !== undefined && rulePort !== port) return false;
  const suffix = name!.replace(/^\*(?=\.)/, '');
  if (suffix.startsWith('.')) return host.endsWith(suffix);
  return host === suffix || (!isIP(host) && host.endsWith(`.${suffix}`));
}

function inBlock(network: string, prefix: number, host: string): boolean {
  if (!isIP(network) || !isIP(host) || !(prefix >= 0 && prefix <= (isIP(network) === 6 ? 128 : 32))) return false;
  const block = new BlockList();
  block.addSubnet(network, prefix, family(network));
  return block.check(host, family(host));
}

function family(address: string): 'ipv4' | 'ipv6' {
  return isIP(address) === 6 ? 'ipv6' : 'ipv4';
}
