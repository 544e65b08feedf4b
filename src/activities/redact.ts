/** Puts `xxxxx` in place of every secret in a text that leaves an activity: history and events are read by many. */
export function redact(text: string, secrets: readonly (string | undefined)[]): string {
  return secrets
    .filter((secret): secret is string => secret !== undefined && secret.length >= 3)
    .sort((a, b) => b.length - a.length)
    .reduce((rest, secret) => rest.replaceAll(secret, 'xxxxx'), text);
}

/** The beginning of what a server answered: enough to recognise it, short enough for an event. */
export function excerpt(body: string, length = 500): string {
  return body.length > length ? `${body.slice(0, length)}…` : body;
}
