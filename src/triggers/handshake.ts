import type { IncomingMessage } from 'node:http';
import type { Log } from '../log.ts';
import type { Receiver } from './receivers.ts';
import type { Answer } from './wire.ts';

/**
 * Consent to deliveries from an origin, and no proof of who they are from. The callback address that may be named is not
 * called, but told to people: whoever wants to consent that way opens it.
 *
 * @see CloudEvents, HTTP 1.1 Web Hooks for Event Delivery, section 4
 */
export function handshake(request: IncomingMessage, receiver: Receiver, log: Log): Answer {
  const origin = request.headers['webhook-request-origin'];
  // What says no is that the headers of consent are not there.
  const allow = { allow: 'POST, OPTIONS' };
  if (typeof origin !== 'string' || !receiver.origins.includes(origin) || receiver.retired)
    return { status: 405, outcome: 'ignored', reason: 'origin', headers: allow };
  const callback = URL.parse(String(request.headers['webhook-request-callback'] ?? ''));
  if (callback && /^https?:$/.test(callback.protocol) && callback.href.length <= 2_048)
    log.info('a sender wants consent by a callback; it has it by this answer, and is not called', {
      receiver: receiver.name,
      callback: callback.href,
    });
  const asked = request.headers['webhook-request-rate'];
  const ours = Math.max(1, Math.floor(receiver.perSecond * 60));
  const rate = /^\d{1,6}$/.test(String(asked)) ? Math.min(Number(asked), ours) : ours;
  return {
    status: 200,
    outcome: 'ignored',
    reason: 'handshake',
    headers: {
      ...allow,
      'webhook-allowed-origin': origin,
      ...(asked === undefined ? {} : { 'webhook-allowed-rate': String(rate) }),
    },
  };
}
