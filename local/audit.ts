import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { stringify } from 'yaml';
import type { User } from './credentials.ts';

/** A request of one of the audited users. */
export interface Request {
  /** Name of the user's kubeconfig, which is that of the process. */
  readonly by: string;
  readonly verb: string;
  /** Such as `canaries`, or the path where it is about no resource. */
  readonly about: string;
  /** When the API server received it, in milliseconds since the epoch. */
  readonly at: number;
}

/** Has the API server write down every request of the audited users, and nothing else: flags for it. */
export function auditFlags(directory: string, audited: readonly User[]): readonly string[] {
  const policy = join(directory, 'audit-policy.yaml');
  const rules = [{ level: 'Metadata', users: audited.map(({ user }) => user) }, { level: 'None' }];
  writeFileSync(
    policy,
    stringify({ apiVersion: 'audit.k8s.io/v1', kind: 'Policy', omitStages: ['RequestReceived'], rules }),
  );
  return ['--audit-policy-file', policy, '--audit-log-path', logIn(directory), '--audit-log-mode', 'blocking-strict'];
}

/** Every audited request so far. A watch is one request, whenever it ends. */
export function requestsIn(directory: string, audited: readonly User[]): Request[] {
  const lines = readFileSync(logIn(directory), 'utf8').split('\n');
  const events = lines.filter((line) => line !== '').map((line) => JSON.parse(line) as AuditEvent);
  const byId = new Map(events.map((event) => [event.auditID, event]));
  return [...byId.values()].map(({ user, verb, objectRef, requestURI, requestReceivedTimestamp }) => ({
    by: audited.find((one) => one.user === user.username)?.kubeconfig ?? user.username,
    verb,
    about: objectRef?.resource ?? requestURI,
    at: Date.parse(requestReceivedTimestamp),
  }));
}

/** The part of an audit event that is read. Source: Kubernetes docs, "kube-apiserver Audit Configuration (v1)". */
interface AuditEvent {
  readonly auditID: string;
  readonly verb: string;
  readonly requestURI: string;
  readonly requestReceivedTimestamp: string;
  readonly user: { readonly username: string };
  readonly objectRef?: { readonly resource?: string };
}

const logIn = (directory: string) => join(directory, 'audit.log');
