import { verify, X509Certificate, type KeyObject } from 'node:crypto';
import { messageOf } from '../../errors.ts';
import { headerOf, matchesOne, type Call, type Credential, type CredentialDeps } from './credential.ts';

/** What the rule in EventBridge was given. */
export interface EventBridgeRule {
  /** The target's address, as it is written there: it is part of what is signed. */
  readonly url: string;
  /** Whose certificates count, such as `cn-hangzhou`. */
  readonly region: string;
}

/** In the order in which they are signed. */
const signedHeaders = [
  'x-eventbridge-signature-timestamp',
  'x-eventbridge-hash-method',
  'x-eventbridge-signature-version',
  'x-eventbridge-signature-url',
  'x-eventbridge-signature-token',
] as const;

const windowMs = 60_000;
const certificateAgeMs = 24 * 3600_000;

/**
 * The signature of Alibaba Cloud EventBridge, version 2, and the token of the rule. The certificate comes from the one
 * host that the region has for it: its address is the sender's word.
 */
export function eventBridge({ secrets, http, now }: CredentialDeps, rule: EventBridgeRule): Credential {
  const certificateHost = `${rule.region}-eventbridge.oss-accelerate.aliyuncs.com`;
  const keys = new Map<string, { readonly at: number; readonly key: Promise<KeyObject> }>();

  function keyAt(url: string): Promise<KeyObject> {
    const known = keys.get(url);
    if (known && now() - known.at < certificateAgeMs) return known.key;
    const key = fetchKey(url);
    // Few certificates are in use at a time; a sender that names ever new paths does not get to fill the memory.
    if (keys.size >= 8) keys.clear();
    keys.set(url, { at: now(), key });
    key.catch(() => keys.delete(url));
    return key;
  }

  async function fetchKey(url: string): Promise<KeyObject> {
    const limits = { timeoutMs: 3_000, maxRedirects: 0, maxBytes: 64 * 1024 };
    const { status, body } = await http.send({ method: 'GET', url, ...limits });
    if (status !== 200) throw new Error(`HTTP ${status}`);
    const { publicKey } = new X509Certificate(body);
    if (publicKey.asymmetricKeyType !== 'rsa') throw new Error('its key is not RSA');
    return publicKey;
  }

  return {
    refusal: 401,
    async check(call) {
      const [timestamp = '', , , certificate = '', token = ''] = signedHeaders.map((name) => headerOf(call, name));
      if (!/^\d{1,15}$/.test(timestamp) || Math.abs(now() - Number(timestamp)) > windowMs) return { refused: 'stale' };
      if (!matchesOne(token, await secrets())) return { refused: 'credential' };
      const url = URL.parse(certificate);
      const isTheirs =
        url?.protocol === 'https:' && url.host === certificateHost && url.username === '' && url.password === '';
      if (!isTheirs) return { refused: 'certificate-host' };
      let key: KeyObject;
      try {
        key = await keyAt(url.href);
      } catch (error) {
        return { unavailable: `the certificate of ${certificateHost} could not be read: ${messageOf(error)}` };
      }
      const signature = Buffer.from(headerOf(call, 'x-eventbridge-signature-v2') ?? '', 'base64');
      return verify('RSA-SHA256', toSign(call, rule.url), key, signature)
        ? { trust: 'signed' }
        : { refused: 'signature' };
    },
  };
}

/** What EventBridge signs: the target's address, its own headers, and the body. */
function toSign(call: Pick<Call, 'raw' | 'rawHeaders'>, url: string): Buffer {
  const lines = signedHeaders.flatMap((name) => {
    const value = headerOf(call, name);
    return value === undefined ? [] : [`${name}: ${value}`];
  });
  return Buffer.concat([Buffer.from(`${[url, ...lines].join('\n')}\n`), call.raw]);
}
