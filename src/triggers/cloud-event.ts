import type { IncomingHttpHeaders } from 'node:http';
import { parseStrictJson } from './json.ts';
import type { Hook, Item, Parsed } from './trigger.ts';

/** A CloudEvent 1.0, whichever way it came. */
export interface CloudEvent {
  readonly id: string;
  readonly source: string;
  readonly type: string;
  readonly subject?: string;
  /** RFC 3339. */
  readonly time?: string;
  /** Attributes beside those of the specification that are text. */
  readonly extensions: Readonly<Record<string, string>>;
  /** JSON, or undefined for data of another kind. */
  readonly data: unknown;
}

export type Decoded =
  | {
      readonly events: readonly CloudEvent[];
      /** It came as an array, and the answer goes through it event by event. */
      readonly batch: boolean;
    }
  | { readonly malformed: string }
  | { readonly unsupported: string };

const maxBatch = 100;

/**
 * Reads the events of a request in batched, structured or binary mode. An event that is sent as plain JSON, as
 * transformers of cloud providers do, is read like a structured one.
 *
 * @see CloudEvents 1.0.2, HTTP protocol binding and JSON event format
 */
export function decodeCloudEvents(raw: Uint8Array, headers: IncomingHttpHeaders): Decoded {
  const type = mediaType(headers);
  if (type.startsWith('application/cloudevents')) {
    // Batches first: the other name is the beginning of theirs.
    if (type === 'application/cloudevents-batch+json') return batched(raw);
    if (type === 'application/cloudevents+json') return one(structured(raw));
    return { unsupported: 'send CloudEvents as JSON' };
  }
  const isBinary = ['ce-specversion', 'ce-id', 'ce-source', 'ce-type'].every((name) => headers[name] !== undefined);
  if (isBinary) return one(binary(raw, headers, type));
  const event = type === 'application/json' ? structured(raw) : undefined;
  if (event && 'event' in event) return one(event);
  // Meant to be binary, so what is wrong is not the body.
  if (Object.keys(headers).some((name) => name.startsWith('ce-')))
    return { malformed: 'a required ce- header is missing' };
  return event ?? { unsupported: 'send a CloudEvent, or JSON as documented' };
}

/**
 * The pushes of the events of a request.
 *
 * @param read what an event comes to; undefined for one of a type that is not read
 * @param other why such an event is ignored
 */
export function readEvents(
  { raw, headers }: Pick<Hook, 'raw' | 'headers'>,
  read: (event: CloudEvent) => readonly Item[] | undefined,
  other = 'other-event',
): Parsed {
  const decoded = decodeCloudEvents(raw, headers);
  if (!('events' in decoded)) return decoded;
  const items = decoded.events.flatMap((event) => read(event) ?? [{ ignored: other, event: event.id }]);
  return { items, ...(decoded.batch ? { batch: true } : {}) };
}

/** The media type of a body, in lower case and without parameters. */
export function mediaType(headers: IncomingHttpHeaders): string {
  return (headers['content-type'] ?? '').split(';')[0]!.trim().toLowerCase();
}

/** Whether a request carries a CloudEvent, for senders that have a format of their own as well. */
export function isCloudEvent(raw: Uint8Array, headers: IncomingHttpHeaders): boolean {
  const type = mediaType(headers);
  if (type.startsWith('application/cloudevents') || headers['ce-specversion'] !== undefined) return true;
  const json = type === 'application/json' ? parseStrictJson(raw) : undefined;
  const value = json && 'value' in json ? json.value : undefined;
  return typeof value === 'object' && value !== null && Object.hasOwn(value, 'specversion');
}

type Result = { readonly event: CloudEvent } | { readonly malformed: string };

function one(result: Result): Decoded {
  return 'malformed' in result ? result : { events: [result.event], batch: false };
}

function batched(raw: Uint8Array): Decoded {
  const json = parseStrictJson(raw);
  if ('problem' in json) return { malformed: json.problem };
  if (!Array.isArray(json.value) || json.value.length > maxBatch)
    return { malformed: `no array of at most ${maxBatch} events` };
  const results = json.value.map(fromObject);
  const wrong = results.find((result) => 'malformed' in result);
  if (wrong) return wrong;
  return { events: results.flatMap((result) => ('event' in result ? [result.event] : [])), batch: true };
}

function structured(raw: Uint8Array): Result {
  const json = parseStrictJson(raw);
  return 'problem' in json ? { malformed: json.problem } : fromObject(json.value);
}

function fromObject(value: unknown): Result {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return { malformed: 'no CloudEvent' };
  const { data, data_base64: encoded, ...attributes } = value as Record<string, unknown>;
  const contentType = attributes.datacontenttype;
  const isJson = contentType === undefined || isJsonType(contentType);
  if (encoded === undefined) return withAttributes(attributes, isJson ? data : undefined);
  if (data !== undefined) return { malformed: 'data and data_base64 together' };
  if (typeof encoded !== 'string' || !/^[A-Za-z0-9+/]*={0,2}$/.test(encoded) || encoded.length % 4 !== 0)
    return { malformed: 'data_base64 is not base64' };
  if (!isJson) return withAttributes(attributes, undefined);
  const decoded = parseStrictJson(Buffer.from(encoded, 'base64'));
  return 'problem' in decoded ? { malformed: decoded.problem } : withAttributes(attributes, decoded.value);
}

function binary(raw: Uint8Array, headers: IncomingHttpHeaders, type: string): Result {
  const attributes: Record<string, unknown> = {};
  for (const [name, value] of Object.entries(headers)) {
    if (!name.startsWith('ce-')) continue;
    if (name === 'ce-datacontenttype') return { malformed: 'ce-datacontenttype beside Content-Type' };
    const text = typeof value === 'string' ? headerText(value) : undefined;
    if (text === undefined) return { malformed: 'a ce- header is not percent-encoded UTF-8' };
    attributes[name.slice(3)] = text;
  }
  if (type !== '' && !isJsonType(type)) return withAttributes(attributes, undefined);
  if (raw.length === 0) return withAttributes(attributes, undefined);
  const json = parseStrictJson(raw);
  return 'problem' in json ? { malformed: json.problem } : withAttributes(attributes, json.value);
}

function withAttributes(attributes: Readonly<Record<string, unknown>>, data: unknown): Result {
  if (!Object.keys(attributes).every((name) => /^[a-z0-9]{1,20}$/.test(name)))
    return { malformed: 'an attribute name that is none' };
  const { specversion, id, source, type, subject, time, datacontenttype: _, dataschema: __, ...others } = attributes;
  if (specversion !== '1.0') return { malformed: 'specversion is not 1.0' };
  if (!isText(id) || !isText(source) || !isText(type)) return { malformed: 'id, source or type is missing' };
  if (!isUriReference(source)) return { malformed: 'source is no URI reference' };
  if (subject !== undefined && !isText(subject)) return { malformed: 'subject is no text' };
  if (time !== undefined && !isTime(time)) return { malformed: 'time is not RFC 3339' };
  const extensions = Object.fromEntries(
    Object.entries(others).filter((entry): entry is [string, string] => isText(entry[1])),
  );
  return { event: { id, source, type, data, extensions, ...(subject ? { subject } : {}), ...(time ? { time } : {}) } };
}

/** Double quotes are taken away, then percent-encoding, once. Undefined for bytes that are not UTF-8. */
function headerText(value: string): string | undefined {
  const plain = /^"(.*)"$/.exec(value)?.[1]?.replace(/\\(.)/g, '$1') ?? value;
  const decoded = plain.replace(/%([0-9A-Fa-f]{2})/g, (_, hex: string) => String.fromCharCode(parseInt(hex, 16)));
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(Buffer.from(decoded, 'latin1'));
  } catch {
    return undefined; // the one thing a fatal decoder throws for
  }
}

function isJsonType(type: unknown): boolean {
  return typeof type === 'string' && /^(?:[^/;]+\/)(?:[^;]+\+)?json\s*(?:;|$)/i.test(type);
}

function isText(value: unknown): value is string {
  return typeof value === 'string' && value.length > 0 && value.length <= 2_048;
}

/** @see RFC 3986, section 4.1: a URI, or one that stands for itself, such as `acs.cr` or `/projects/7` */
function isUriReference(text: string): boolean {
  if (!/^(?:[\w.~:/?[\]@!$&'()*+,;=-]|%[0-9A-Fa-f]{2})*(?:#(?:[\w.~:/?@!$&'()*+,;=-]|%[0-9A-Fa-f]{2})*)?$/.test(text))
    return false;
  // A colon in the first segment is the end of a scheme.
  const [first = ''] = text.split(/[/?#]/);
  return !first.includes(':') || /^[A-Za-z][A-Za-z0-9+.-]*:/.test(first);
}

function isTime(value: unknown): value is string {
  return (
    typeof value === 'string' &&
    /^\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(?:\.\d+)?(?:[Zz]|[+-]\d\d:\d\d)$/.test(value) &&
    !Number.isNaN(Date.parse(value))
  );
}
