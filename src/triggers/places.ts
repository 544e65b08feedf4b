import { z } from 'zod';
import { canonicalHost, isRepository } from '../images/reference.ts';

/** Where a repository manager serves one of its repositories. */
export interface Place {
  readonly host: string;
  /** Path that references begin with; '' for none. */
  readonly path: string;
}

/** Reads `host[:port][/path]`. */
export function placeOf(text: string | undefined): Place | undefined {
  const [, name = '', path = ''] = /^([^/]+)(?:\/(.+))?$/.exec(text ?? '') ?? [];
  const host = canonicalHost(name);
  return host !== undefined && (path === '' || isRepository(path)) ? { host, path } : undefined;
}

/** Places by the name that the manager's events have for a repository. */
export const Places = z.record(
  z.string(),
  z.string().refine((text) => placeOf(text) !== undefined, 'not host[:port][/path], such as nexus.example.com:8082'),
);
