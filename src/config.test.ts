import { describe, expect, it } from '@jest/globals';
import { readSettings } from './config.ts';

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
  ])("reads Flagger's flags $args and the variables $env", ({ args, env, expected }) => {
    expect(readSettings(env, args)).toMatchObject(expected);
  });

  it.each([
    { args: ['-mesh-provder=x'], env: {}, text: 'unknown flag -mesh-provder; did you mean -mesh-provider?' },
    { args: [], env: { SERIN_DRAIN_MS: 'soon' }, text: 'SERIN_DRAIN_MS is "soon", expected a whole number' },
    { args: ['-port=http'], env: {}, text: '-port is "http", expected a whole number' },
  ])('refuses $args $env with what would be right', ({ args, env, text }) => {
    expect(() => readSettings(env, args)).toThrow(text);
  });
});
