import type { Chance } from '../support/chance.ts';

/** A request as bytes to be: its head, one header a line, and its body. */
export interface RawRequest {
  readonly head: string;
  readonly body: Buffer;
}

/** Values that have broken parsers before. */
const nasty: readonly string[] = [
  ...['null', 'true', '0', '-1', '1e400', '99999999999999999999', '""', '[]', '{}', '[[]]', '[null]', '{"a":{}}'],
  ...[
    '"\\u0000"',
    '"\\ud800"',
    '"sha256:"',
    `"sha256:${'a'.repeat(64)}"`,
    `"${'x'.repeat(300)}"`,
    '"../../etc/passwd"',
  ],
  ...['"<tag>"', '"latest\\n"', '"%s%n"', '"ｌａｔｅｓｔ"', '"1.2.3+x"', '"-1"', '"$(reboot)"', '"{{.}}"', '"\\u202e"'],
  ...['{"__proto__":{"x":1}}', '{"constructor":1}', '{"toString":1}', '['.repeat(40) + ']'.repeat(40)],
];

const headers: readonly string[] = [
  ...['Content-Type: application/json', 'Content-Type: application/cloudevents+json', 'Content-Type: text/html'],
  ...['Content-Type: application/cloudevents-batch+json', 'Content-Type: application/x-www-form-urlencoded'],
  ...[
    'Content-Type:',
    'Content-Encoding: gzip',
    'Authorization: Bearer',
    'Authorization: Basic !!!!',
    'Authorization:',
  ],
  ...['ce-id: %', 'ce-id: %C0%A0', 'ce-specversion: 1.0', 'ce-source: ""', 'ce-type: dev.serin.image.pushed.v1'],
  ...[
    'ce-datacontenttype: x',
    'ce-: x',
    `ce-${'y'.repeat(30)}: z`,
    'X-Forwarded-For: 1.2.3.4, ::1, x',
    'X-GitHub-Event: package',
  ],
  ...[
    'WebHook-Request-Origin: *',
    'Expect: 100-continue',
    `X-Long: ${'l'.repeat(9_000)}`,
    'X-Hub-Signature-256: sha256=',
  ],
  ...['x-eventbridge-signature-url: https://169.254.169.254/', 'x-eventbridge-signature-timestamp: NaN'],
];

const methods = ['POST', 'GET', 'OPTIONS', 'PUT', 'HEAD', 'DELETE', 'PATCH', 'TRACE'];

type Mutation = (request: RawRequest, chance: Chance, other: RawRequest) => RawRequest;

const ofBody =
  (change: (body: Buffer, chance: Chance, other: RawRequest) => Buffer): Mutation =>
  (request, chance, other) => ({ ...request, body: change(request.body, chance, other) });

const ofLines =
  (change: (lines: string[], chance: Chance) => string[]): Mutation =>
  ({ head, body }, chance) => {
    const [start = '', ...lines] = head.split('\n');
    return { head: [start, ...change(lines, chance)].join('\n'), body };
  };

const at = (chance: Chance, length: number) => chance.between(0, Math.max(0, length - 1));
const pick = <T>(chance: Chance, list: readonly T[]): T => list[at(chance, list.length)]!;

/** Finds the JSON values of a text, roughly: what stands behind a colon. */
function valueAt(text: string, chance: Chance): { readonly from: number; readonly to: number } | undefined {
  const values = [...text.matchAll(/:\s*("(?:[^"\\]|\\.)*"|-?\d[\d.eE+-]*|true|false|null|\{|\[)/g)];
  const found = values[at(chance, values.length)];
  if (!found) return undefined;
  const from = found.index + found[0].length - found[1]!.length;
  return { from, to: from + found[1]!.length };
}

export const mutations: readonly Mutation[] = [
  ofBody((body, chance) => {
    const changed = Buffer.from(body);
    for (let flips = chance.between(1, 4); flips > 0 && changed.length > 0; flips -= 1)
      changed[at(chance, changed.length)] = chance.between(0, 255);
    return changed;
  }),
  ofBody((body, chance) => body.subarray(0, at(chance, body.length))),
  ofBody((body, chance) => {
    const where = at(chance, body.length);
    const piece = body.subarray(where, where + chance.between(1, 200));
    return Buffer.concat([body.subarray(0, where), piece, body.subarray(where)]);
  }),
  ofBody((body, _, other) => Buffer.concat([body, other.body])),
  ofBody((_, __, other) => other.body),
  ofBody(() => Buffer.alloc(0)),
  ofBody((_, chance) => Buffer.from(pick(chance, nasty))),
  ...Array.from({ length: 4 }, () =>
    ofBody((body, chance) => {
      const text = body.toString('utf8');
      const place = valueAt(text, chance);
      return place ? Buffer.from(text.slice(0, place.from) + pick(chance, nasty) + text.slice(place.to)) : body;
    }),
  ),
  ofBody((body, chance) => {
    const text = body.toString('utf8');
    const keys = [...text.matchAll(/"([A-Za-z_-]+)"\s*:/g)];
    const [key, other] = [pick(chance, keys), pick(chance, keys)];
    if (!key || !other) return body;
    return Buffer.from(text.slice(0, key.index) + other[0] + text.slice(key.index + key[0].length));
  }),
  ofBody((body, chance) => Buffer.concat([Buffer.from([0xef, 0xbb, 0xbf]), body.subarray(at(chance, 3))])),
  ofLines((lines, chance) => lines.filter((_, index) => index !== at(chance, lines.length))),
  ofLines((lines, chance) => [...lines, pick(chance, lines) ?? 'X: y']),
  ofLines((lines, chance) => [...lines, pick(chance, headers)]),
  ofLines((lines, chance) => {
    const added = pick(chance, headers);
    const name = added.split(':')[0]!.toLowerCase();
    return [...lines.filter((line) => line.split(':')[0]!.toLowerCase() !== name), added];
  }),
  ofLines((lines, chance) => {
    const index = at(chance, lines.length);
    return lines.map((line, nth) => (nth === index ? scrambled(line, chance) : line));
  }),
  ({ head, body }, chance) => ({ head: head.replace(/^\S+/, pick(chance, methods)), body }),
  ({ head, body }, chance) => {
    const [start = '', ...lines] = head.split('\n');
    const tails = ['/', '?', '?access_token=x', '/x', '%00', '/../local', `/${'a'.repeat(43)}`, `?${'q'.repeat(500)}`];
    return { head: [start.replace(/ HTTP/, `${pick(chance, tails)} HTTP`), ...lines].join('\n'), body };
  },
  (request, _, { head }) => ({
    ...request,
    head: [request.head.split('\n')[0], ...head.split('\n').slice(1)].join('\n'),
  }),
];

/** Replaces some characters behind the colon by others that HTTP allows, and now and then by some that it does not. */
function scrambled(line: string, chance: Chance): string {
  const characters = [...line];
  for (let changes = chance.between(1, 5); changes > 0; changes -= 1)
    characters[at(chance, characters.length)] = String.fromCharCode(
      chance.between(0, 9) === 0 ? 7 : chance.between(33, 255),
    );
  return characters.join('');
}
