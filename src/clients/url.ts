/**
 * A URL as messages may show it: a password, a lone user name and the query read `xxxxx`, since any of them may be a
 * secret. Also fit for text that is no URL. @see Go, `URL.Redacted`, which keeps the query; history must not
 */
export function maskUrl(url: string): string {
  // What no parser understands may hide user info anywhere before its last `@`.
  if (!URL.canParse(url)) return hideQuery(url.replace(/\/\/.*@/s, '//xxxxx@'));
  // Parsers read `\` as `/` and skip blanks, which the pattern below does not.
  const text = /[\\\s]/.test(url) ? new URL(url).href : url;
  return hideQuery(
    text.replace(/^([a-z][a-z0-9+.-]*:\/\/)([^/?#]*)@/i, (_, scheme: string, info: string) => {
      const [user, ...password] = info.split(':');
      return password.length > 0 ? `${scheme}${user}:xxxxx@` : `${scheme}xxxxx@`;
    }),
  );
}

function hideQuery(text: string): string {
  return text.replace(/#.*$/s, '').replace(/\?.+$/s, '?xxxxx');
}
