import { describe, expect, it } from '@jest/globals';
import { effectiveSettings, flagOf, ignoredIn, readSettings, settingsTable, unknownVariables } from './config.ts';

describe('settings of a process', () => {
  it('are the documented defaults when nobody says anything', () => {
    expect(readSettings({})).toMatchObject({
      meshProvider: 'istio',
      metricsServer: 'http://prometheus:9090',
      selectorLabels: ['app', 'name', 'app.kubernetes.io/name'],
      minimumIntervalMs: 10_000,
      port: 8080,
    });
  });

  it.each([
    { args: ['-mesh-provider=gatewayapi:v1'], env: {}, expected: { meshProvider: 'gatewayapi:v1' } },
    { args: ['--selector-labels', 'team,app'], env: {}, expected: { selectorLabels: ['team', 'app'] } },
    { args: ['-no-cross-namespace-refs', '-port=1'], env: {}, expected: { noCrossNamespaceRefs: true, port: 1 } },
    { args: [], env: { EVENT_WEBHOOK_URL: 'http://hook' }, expected: { eventWebhook: 'http://hook' } },
    {
      args: ['-metrics-server=http://flag'],
      env: { SERIN_METRICS_SERVER: 'http://variable' },
      expected: { metricsServer: 'http://flag' },
    },
    { args: ['-threadiness=4', '-log-level=debug'], env: {}, expected: { logLevel: 'debug' } },
    { args: ['-task-queue=other'], env: {}, expected: { taskQueue: 'other' } },
    { args: ['-zap-encoding=console', '-v=4'], env: {}, expected: { logFormat: 'pretty' } },
    { args: [], env: { SERIN_PROVIDERS: 'istio, keda' }, expected: { apis: ['istio', 'keda'] } },
    { args: [], env: { SERIN_PROVIDERS: 'none' }, expected: { apis: [] } },
    { args: [], env: { SERIN_HOOKS_PORT: '' }, expected: { hooksPort: 8090, healthPort: undefined } },
    // As in Flagger: the environment wins for addresses of chat rooms and hooks.
    {
      args: ['-slack-url=https://flag.example', '-slack-user=flag'],
      env: { SLACK_URL: 'https://variable.example', SERIN_SLACK_USER: 'variable' },
      expected: { slackUrl: 'https://variable.example', slackUser: 'flag' },
    },
  ])("reads Flagger's flags $args and the variables $env", ({ args, env, expected }) => {
    expect(readSettings(env, args)).toMatchObject(expected);
  });

  it.each([
    { args: ['-mesh-provder=x'], env: {}, text: 'unknown flag -mesh-provder; did you mean -mesh-provider?' },
    { args: [], env: { SERIN_DRAIN_MS: 'soon' }, text: 'SERIN_DRAIN_MS is "soon", expected a whole number' },
    { args: ['-port=http'], env: {}, text: '-port is "http", expected a whole number from 0 to 65535' },
    { args: [], env: { SERIN_HOOKS_PORT: '70000' }, text: 'SERIN_HOOKS_PORT is "70000", expected a whole number from' },
    { args: [], env: { SERIN_HINTS_PER_SECOND: '0' }, text: 'SERIN_HINTS_PER_SECOND is "0", expected' },
    { args: [], env: { SERIN_LOG_LEVEL: 'loud' }, text: 'SERIN_LOG_LEVEL is "loud", expected one of debug, info' },
    { args: [], env: { SERIN_PROVIDERS: 'istio,linkerd' }, text: 'expected a list with commas of istio, gatewayapi' },
    { args: [], env: { SERIN_METRICS_SERVER: 'prometheus:9090' }, text: 'expected a URL with http:// or https://' },
    { args: [], env: { SERIN_NAMESPACE: 'Shop' }, text: 'SERIN_NAMESPACE is "Shop", expected the name of a namespace' },
    { args: [], env: { SERIN_AUDIT_SINK: '/var/audit' }, text: 'expected file:///folder or s3://bucket/prefix' },
    { args: [], env: { SERIN_TEMPORAL_METRICS: '9464' }, text: 'expected an address such as 0.0.0.0:9464' },
    {
      args: [],
      env: { SERIN_PORT: 'tcp://10.96.0.1:8080' },
      text: 'Kubernetes sets it for a Service called serin: set enableServiceLinks: false',
    },
  ])('refuses $args $env with what would be right', ({ args, env, text }) => {
    expect(() => readSettings(env, args)).toThrow(text);
  });

  it('never shows a secret that is wrong', () => {
    const secrets = Object.values(settingsTable).filter(({ secret, expected }) => secret && expected !== 'a text');
    expect(secrets.length).toBeGreaterThan(3);
    for (const { env } of secrets)
      expect(() => readSettings({ [env[0]!]: 'hooks.example/T0/B0/hush' })).toThrow(/^(?!.*hush).*expected a URL/);
  });

  it('say where they come from', () => {
    const found = effectiveSettings({ SERIN_DRAIN_MS: '5' }, ['-port=1']);
    const originOf = (wanted: string) => found.find(({ key }) => key === wanted)!.origin;
    expect([originOf('drainMs'), originOf('port'), originOf('taskQueue')]).toEqual([
      { variable: 'SERIN_DRAIN_MS' },
      { flag: '-port' },
      'default',
    ]);
  });

  it('have a variable and a flag of their own each', () => {
    const entries = Object.values(settingsTable);
    const names = entries.flatMap((entry) => [...entry.env, `-${flagOf(entry)}`]);
    expect(new Set(names).size).toBe(names.length);
  });

  it('name what was ignored, and what was probably meant otherwise', () => {
    expect(ignoredIn(['-threadiness=2', '-port=1'])).toEqual(['-threadiness: Temporal gives out the work']);
    const linked = { SERIN_STARTER_SERVICE_HOST: '10.0.0.1', SERIN_WORKER_PORT_8080_TCP_ADDR: '10.0.0.2' };
    expect(unknownVariables({ SERIN_METRIC_SERVER: 'x', SERIN_ACTOR: 'ann', ...linked })).toEqual([
      'SERIN_METRIC_SERVER is no setting; did you mean SERIN_METRICS_SERVER?',
    ]);
  });
});
