/** Which trace something belongs to, and what in it caused it, as in W3C Trace Context. */
export interface TraceContext {
  /** 32 hexadecimal digits. */
  readonly traceId: string;
  /** 16 hexadecimal digits. */
  readonly spanId: string;
  /** Whether spans of this trace are sent anywhere. */
  readonly sampled: boolean;
}

/** Header of HTTP requests, and of messages and activities in Temporal. */
export const traceHeader = 'traceparent';

/** Reads a header. Undefined for what is none: it may come from anybody. @see https://www.w3.org/TR/trace-context/ */
export function parseTrace(header: unknown): TraceContext | undefined {
  if (typeof header !== 'string') return undefined;
  const [, version, traceId = '', spanId = '', flags = ''] =
    /^([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(?:-.*)?$/.exec(header) ?? [];
  const isNothing = version === undefined || version === 'ff' || /^0+$/.test(traceId) || /^0+$/.test(spanId);
  return isNothing ? undefined : { traceId, spanId, sampled: (parseInt(flags, 16) & 1) === 1 };
}

export function formatTrace({ traceId, spanId, sampled }: TraceContext): string {
  return `00-${traceId}-${spanId}-${sampled ? '01' : '00'}`;
}

/** Something that a workflow did, once it is over. Times are in milliseconds since the epoch. */
export interface WorkflowSpan {
  readonly name: string;
  readonly context: TraceContext;
  readonly parent?: TraceContext;
  readonly startedAt: number;
  readonly endedAt: number;
  readonly attributes: Readonly<Record<string, string>>;
  /** Why it did not end well. */
  readonly error?: string;
}
