import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createSecureServer } from 'node:http2';
import { connect, type AddressInfo, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createServer as createTlsServer } from 'node:tls';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { exportJWK, generateKeyPair, SignJWT } from 'jose';
import { createVerifyActors } from '../../src/activities/actors.ts';
import { run } from '../../src/cli/index.ts';
import { createHttp } from '../../src/clients/http.ts';
import type { Settings } from '../../src/workflows/domain/observation.ts';
import { progressQuery, type Progress } from '../../src/workflows/messages.ts';
import { selfSigned } from '../support/certificate.ts';
import { closeServers, startServer } from '../support/fake-server.ts';
import { approval, hook } from '../support/script.ts';
import { stubCluster } from '../support/stub-cluster.ts';
import { openBench, until, type Bench } from '../support/temporal.ts';

let bench: Bench;
beforeAll(async () => (bench = await openBench()));
afterAll(() => bench.close());

/** Runs a command line against the test's Temporal. */
async function serin(...argv: string[]): Promise<{ code: number; out: string[]; err: string[] }> {
  return serinWith({}, ...argv);
}

async function serinWith(more: object, ...argv: string[]): Promise<{ code: number; out: string[]; err: string[] }> {
  const [out, err]: [string[], string[]] = [[], []];
  const env = {
    TEMPORAL_ADDRESS: process.env.SERIN_TEST_TEMPORAL,
    SERIN_TASK_QUEUE: bench.taskQueue,
    USER: 'ann',
    ...more,
  };
  const code = await run(argv, { env, out: (line) => void out.push(line), err: (line) => void err.push(line) });
  return { code, out, err };
}

const parsed = ({ out }: { out: string[] }) => JSON.parse(out.join('\n')) as Progress;

describe('serin', () => {
  it('shows and steers a release that runs', async () => {
    const cluster = stubCluster({}, { intervalMs: 30_000 });
    cluster.revision = 'v1:2';
    const canary = bench.canary();
    const name = `prod/${canary.name}`;
    await bench.whileWorking(cluster.activities, async () => {
      const handle = await bench.hint(canary);
      const weight = async (wanted: number) =>
        until(`weight ${wanted}`, async () => (await handle.query(progressQuery)).canaryWeight === wanted);
      await weight(10);

      await until('the list has it', async () => (await serin('list')).out.some((line) => line.includes(`${name} `)));
      const { out, code } = await serin('get', name);
      expect(code).toBe(0);
      expect(out[0]).toMatch(/^CANARY +PHASE +WEIGHT +FAILED CHECKS +RUN +DOING$/);
      expect(out[1]).toMatch(new RegExp(`^${name} +Progressing +10 +0/2 +RUNNING +next check at weight 10$`));

      const paused = await serin('pause', name, '--reason', 'looking', '-o', 'json');
      expect(parsed(paused)).toMatchObject({ paused: true, canaryWeight: 10 });
      const again = await serin('pause', canary.name, '-n', 'prod', '-o', 'yaml');
      expect(again.out.join('\n')).toContain('paused: true');
      expect(await serin('skip-step', name)).toMatchObject({
        code: 1,
        err: ['serin skip-step: the release is paused by ann; resume it first'],
      });
      expect((await serin('resume', name)).code).toBe(0);

      expect((await serin('set-weight', name, '20', '--id', 'one')).code).toBe(0);
      expect((await serin('set-weight', name, '20', '--id', 'one')).code).toBe(0);
      await weight(20);
      expect(await serin('set-weight', name, '90')).toMatchObject({
        code: 1,
        err: ['serin set-weight: weight has to be a whole number from 1 to 30, the maximum of the analysis'],
      });
      expect((await serin('skip-step', name)).code).toBe(0);
      await weight(30);
      expect((await serin('promote', name, '--by', 'bob', '--reason', 'hotfix')).code).toBe(0);
      expect(await handle.result()).toMatchObject({ outcome: 'promoted' });
    });
    expect(cluster.events).toContain('Paused by ann at weight 10: looking');
    expect(cluster.events).toContain('Promotion ordered by bob at weight 30: hotfix');
    expect(cluster.events.filter((event) => event.startsWith('Weight 20 ordered'))).toHaveLength(1);
  });

  it('watches a release until it ends: on a terminal in place, elsewhere line by line', async () => {
    // Long enough at each weight for a busy machine to see it.
    const cluster = stubCluster({}, { intervalMs: 3_000 });
    cluster.revision = 'v1:2';
    const canary = bench.canary();
    const name = `prod/${canary.name}`;
    await bench.whileWorking(cluster.activities, async () => {
      await bench.hint(canary);
      const frames: (readonly string[])[] = [];
      const screen = { columns: 100, rows: 30, draw: (lines: readonly string[]) => void frames.push(lines) };
      const env = { TEMPORAL_ADDRESS: process.env.SERIN_TEST_TEMPORAL };
      const quiet = { env, out: () => undefined, err: () => undefined };
      const [lines, code] = await Promise.all([
        serin('watch', name, '--every', '250ms'),
        run(['watch', name, '--every', '250ms'], { ...quiet, screen }),
      ]);
      expect([lines.code, code]).toEqual([0, 0]);
      const shown = frames.map((frame) => frame.join('\n'));
      for (const weight of [10, 20, 30]) expect(shown.some((frame) => frame.includes(` ${weight} %`))).toBe(true);
      expect(shown.at(-1)).toMatch(/Succeeded .*now +at rest: promoted\n/s);
      expect(shown.at(-1)).toContain('event    Promotion completed! Scaling down shop.prod');
      expect(lines.out.length).toBeGreaterThan(3);
      expect(lines.out.at(-1)).toMatch(/Succeeded {2}0 % .* at rest: promoted$/);
      expect(new Set(lines.out.map((line) => line.slice(26))).size).toBe(lines.out.length);
    });
  });

  it('tries again what failed, and says why nothing else can be tried', async () => {
    const cluster = stubCluster();
    Object.assign(cluster, { revision: 'v1:2', successRate: 50 });
    const canary = bench.canary();
    const name = `prod/${canary.name}`;
    await bench.whileWorking(cluster.activities, async () => {
      expect(await serin('abort', name)).toMatchObject({
        code: 1,
        err: [`serin abort: no release of ${name} is running: there is nothing to abort`],
      });
      expect((await serin('get', name)).err).toEqual([`serin get: there was no release of ${name}`]);
      await (await bench.hint(canary)).result();
      // BC-10: whoever wonders why nothing happens is told.
      await until('the list has it', async () =>
        (await serin('get', name)).out
          .join('\n')
          .includes('this revision failed and is not tried again by itself: serin retry'),
      );
      cluster.successRate = 100;
      expect((await serin('retry', name, '--reason', 'the database is back')).code).toBe(0);
      const handle = bench.client.workflow.getHandle(`release/${name}`);
      expect(await handle.result()).toMatchObject({ outcome: 'promoted' });
      expect(await serin('retry', name)).toMatchObject({
        code: 1,
        err: ['serin retry: there is nothing to retry: the Canary is Succeeded'],
      });
      await until('the list has it', async () => {
        const { out } = await serin('list', '--all', '--namespace', 'prod');
        return out.some((line) => new RegExp(`^${name} +Succeeded +0 .* COMPLETED `).test(line));
      });
    });
    expect(cluster.events).toContain('Retry ordered by ann: the database is back');
  });

  it('says why: what was read, with its bounds, what was told, and who ordered what', async () => {
    const cluster = stubCluster({}, { hooks: [hook('smoke', 'pre-rollout'), hook('load', 'rollout')] });
    Object.assign(cluster, { revision: 'v1:2', successRate: 50 });
    const canary = bench.canary();
    const name = `prod/${canary.name}`;
    await bench.whileWorking(cluster.activities, async () => {
      await (await bench.hint(canary)).result();
      await until('the list has it', async () =>
        (await serin('history', name)).out.some((line) => line.includes('rolled back')),
      );
      const { out } = await serin('history', name);
      expect(out[0]).toMatch(/^STARTED +RUN +OUTCOME +REVISION +REASON$/);
      expect(out[1]).toMatch(/ rolled back +v1:2 +2 failed checks$/);
      const story = await serin('why', name);
      const lines = story.out.map((line) => line.replace(/^\S+ +/, '').replace(/ +/g, ' '));
      expect(lines).toContain('check request-success-rate 50 (min 99)');
      expect(lines).toContain('hook pre-rollout smoke said yes');
      expect(lines).toContain('hook rollout load said yes');
      expect(lines).toContain('event New revision detected! Scaling up shop.prod');
      expect(lines.some((line) => /^warning Rolling back .* failed checks threshold reached 2$/.test(line))).toBe(true);
      const told = lines.filter((line) => /^(event|warning) /.test(line)).map((line) => line.replace(/^\w+ /, ''));
      expect(told).toEqual(cluster.events);

      cluster.successRate = 100;
      await serin('retry', name, '--reason', 'try');
      await serin('abort', name, '--reason', 'enough');
      await bench.client.workflow.getHandle(`release/${name}`).result();
      const [last] = JSON.parse((await serin('history', name, '-o', 'json')).out.join('\n')) as { run: string }[];
      const again = await serin('why', name, '--run', last!.run);
      for (const order of ['retry by ann (claimed): try', 'abort by ann (claimed): enough'])
        expect(again.out.some((line) => line.includes(`order    ${order}`) || line.includes(`order  ${order}`))).toBe(
          true,
        );
      for (const run of ['f1c5b1d0-0000-4000-8000-000000000000', 'none'])
        expect(await serin('why', name, '--run', run)).toMatchObject({
          code: 1,
          err: [`serin why: ${name} has no run ${run}; "serin history" names them`],
        });
    });
  });

  it('says that Temporal does not answer, and where it asked', async () => {
    const err: string[] = [];
    const env = { TEMPORAL_ADDRESS: '127.0.0.1:1' };
    expect(await run(['list'], { env, out: () => undefined, err: (line) => void err.push(line) })).toBe(1);
    expect(err.join('\n')).toMatch(/^serin list: Temporal does not answer at 127\.0\.0\.1:1: .*set TEMPORAL_ADDRESS$/s);
  });
});

describe('approvals', () => {
  const managers = approval({ quorum: 2, approvers: ['ada', 'bob', 'cyd'] });
  const asking = (more: Partial<Settings> = {}) => {
    const cluster = stubCluster(more, { approvals: [managers] });
    cluster.revision = 'v1:2';
    return cluster;
  };
  const waiting = async (name: string) =>
    until('people are asked', async () => {
      const { out } = await serin('get', name, '-o', 'json');
      return (
        out.length > 0 && (JSON.parse(out.join('\n')) as { progress?: Progress }).progress?.approvals !== undefined
      );
    });

  it('two people approve, one of them twice, and a stranger is refused', async () => {
    const cluster = asking();
    const canary = bench.canary();
    const name = `prod/${canary.name}`;
    await bench.whileWorking(cluster.activities, async () => {
      const handle = await bench.hint(canary);
      await waiting(name);
      expect((await serin('approve', name, '--by', 'ada', '--reason', 'tested')).code).toBe(0);
      expect(await serin('approve', name, '--by', 'ada')).toMatchObject({
        code: 1,
        err: ['serin approve: ada has approved managers (1 of 2) already'],
      });
      expect(await serin('approve', name)).toMatchObject({
        code: 1,
        err: ['serin approve: ann is none of those who decide on managers: ada, bob, cyd'],
      });
      expect((await serin('approve', name, '--by', 'bob', '--gate', 'managers')).code).toBe(0);
      expect(await handle.result()).toMatchObject({ outcome: 'promoted' });
      const story = await serin('why', name);
      expect(story.out.join('\n')).toContain('approve by ada (claimed): tested');
    });
    expect(cluster.events).toContain('Approved by ada, managers (1 of 2): tested');
  });

  it('one says no, by a button of the Temporal UI', async () => {
    const cluster = asking();
    const canary = bench.canary();
    await bench.whileWorking(cluster.activities, async () => {
      const handle = await bench.hint(canary);
      await waiting(`prod/${canary.name}`);
      await handle.signal('reject', { by: 'cyd', reason: 'freeze' });
      expect(await handle.result()).toMatchObject({
        outcome: 'rolled back',
        reason: 'approval managers rejected by cyd: freeze',
      });
    });
  });

  it('wait for days over a lost worker, and what was approved stays so', async () => {
    const cluster = asking();
    const canary = bench.canary();
    const name = `prod/${canary.name}`;
    const handle = await bench.whileWorking(cluster.activities, async () => {
      const started = await bench.hint(canary);
      await waiting(name);
      expect((await serin('approve', name, '--by', 'ada')).code).toBe(0);
      return started;
    });
    // Nobody is there: a signal is taken all the same.
    await handle.signal('approve', { by: 'bob' });
    await bench.whileWorking(cluster.activities, async () => {
      expect(await handle.result()).toMatchObject({ outcome: 'promoted' });
    });
  });

  it('where actors have to be verified, tokens count, each once, and names do not', async () => {
    const cluster = asking({ verifiesActors: true });
    const canary = bench.canary();
    const name = `prod/${canary.name}`;
    await bench.whileWorking(cluster.activities, async () => {
      const handle = await bench.hint(canary);
      await waiting(name);
      const claimed = 'needs to know for sure who asks: send a signed token with it';
      for (const command of ['approve', 'promote'])
        expect(await serin(command, name, '--by', 'ada')).toMatchObject({
          code: 1,
          err: [`serin ${command}: ${command} ${claimed}`],
        });
      const holding = (token: string, ...argv: string[]) => serinWith({ SERIN_TOKEN: token }, ...argv);
      expect(await holding('forged', 'approve', name)).toMatchObject({
        code: 1,
        err: ['serin approve: the signature of the token is forged'],
      });
      expect((await holding('ada/1', 'approve', name, '--id', 'once')).code).toBe(0);
      expect((await holding('ada/1', 'approve', name, '--id', 'once')).code).toBe(0);
      expect(await holding('ada/1', 'promote', name, '--force')).toMatchObject({
        code: 1,
        err: ['serin promote: this token has been used already'],
      });
      expect(await holding('eve/1', 'approve', name, '--by', 'bob')).toMatchObject({
        code: 1,
        err: ['serin approve: eve is none of those who decide on managers: ada, bob, cyd'],
      });
      expect((await holding('bob/1', 'approve', name)).code).toBe(0);
      expect(await handle.result()).toMatchObject({ outcome: 'promoted' });
      const story = (await serin('why', name)).out.join('\n');
      expect(story).toContain('approve by the holder of a token');
      expect(story).toContain('token of ada (verified)');
      expect(story).toContain('token refused: the signature of the token is forged');
      expect(story).not.toContain('ada/1');
    });
    expect(cluster.events).toContain('Approved by ada (verified), managers (1 of 2)');
  });

  it('whoever holds a token of a trusted issuer approves; one that is forged or expired is refused', async () => {
    const { privateKey, publicKey } = await generateKeyPair('ES256');
    const forger = await generateKeyPair('ES256');
    const jwk = { ...(await exportJWK(publicKey)), kid: 'one', alg: 'ES256' };
    const issuer = await startServer(() => ({ status: 200, body: JSON.stringify({ keys: [jwk] }) }));
    const token = (email: string, age = 0, key = privateKey) => {
      const now = Math.floor(Date.now() / 1000) - age;
      return new SignJWT({ email, iss: issuer.url, aud: 'serin', iat: now, exp: now + 60 })
        .setProtectedHeader({ alg: 'ES256', kid: 'one' })
        .sign(key);
    };
    const cluster = asking({ verifiesActors: true });
    const verifyActors = createVerifyActors(createHttp({}), [
      { issuer: issuer.url, audience: 'serin', claim: 'email', maxAgeSeconds: 900, jwks: `${issuer.url}/keys` },
    ]);
    const canary = bench.canary();
    const name = `prod/${canary.name}`;
    try {
      await bench.whileWorking({ ...cluster.activities, verifyActors }, async () => {
        const handle = await bench.hint(canary);
        await waiting(name);
        const approve = async (held: Promise<string>) => serinWith({ SERIN_TOKEN: await held }, 'approve', name);
        expect((await approve(token('ada', 0, forger.privateKey))).err).toEqual([
          'serin approve: the signature of the token is forged',
        ]);
        expect((await approve(token('ada', 3_600))).err[0]).toMatch(/^serin approve: the token expired at /);
        expect((await approve(token('eve'))).err[0]).toMatch(/eve is none of those who decide on managers/);
        expect((await approve(token('ada'))).code).toBe(0);
        expect((await approve(token('ADA', 1))).err[0]).toMatch(/ADA has approved managers \(1 of 2\) already/);
        expect((await approve(token('bob'))).code).toBe(0);
        expect(await handle.result()).toMatchObject({ outcome: 'promoted' });
      });
    } finally {
      await closeServers();
    }
    expect(cluster.events.filter((event) => event.includes('(verified)'))).toEqual([
      expect.stringMatching(/^Order approve by eve \(verified\) refused: /),
      'Approved by ada (verified), managers (1 of 2)',
      expect.stringMatching(/^Order approve by ADA \(verified\) refused: /),
      'Approved by bob (verified), managers (2 of 2)',
    ]);
  });
});

describe('a connection to Temporal, by its usual variables', () => {
  const folder = mkdtempSync(join(tmpdir(), 'serin-tls-'));
  afterAll(() => rmSync(folder, { recursive: true, force: true }));
  const file = (name: string, content: string) => {
    writeFileSync(join(folder, name), content);
    return join(folder, name);
  };
  const listening = async (server: Server) => {
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    return `127.0.0.1:${(server.address() as AddressInfo).port}`;
  };

  it('shows a client certificate', async () => {
    const [server, client, stranger] = [selfSigned(), selfSigned(), selfSigned()];
    const [host, port] = process.env.SERIN_TEST_TEMPORAL!.split(':');
    const options = { ...server, ca: client.cert, requestCert: true, rejectUnauthorized: true, ALPNProtocols: ['h2'] };
    const sockets: Socket[] = [];
    const proxy = createTlsServer(options, (socket) => {
      const upstream = connect(Number(port), host);
      sockets.push(socket, upstream);
      for (const one of [socket, upstream]) one.on('error', () => undefined);
      socket.pipe(upstream).pipe(socket);
    });
    try {
      const env = {
        TEMPORAL_ADDRESS: await listening(proxy),
        TEMPORAL_TLS: 'true',
        TEMPORAL_TLS_SERVER_CA_CERT_PATH: file('ca.pem', server.cert),
        TEMPORAL_TLS_CLIENT_CERT_PATH: file('cert.pem', client.cert),
        TEMPORAL_TLS_CLIENT_KEY_PATH: file('key.pem', client.key),
      };
      expect(await serinWith(env, 'list', '--all')).toMatchObject({ code: 0 });
      file('cert.pem', stranger.cert);
      file('key.pem', stranger.key);
      expect((await serinWith(env, 'list')).err[0]).toMatch(/^serin list: Temporal does not answer at 127/);
    } finally {
      sockets.forEach((socket) => socket.destroy());
      proxy.close();
    }
  });

  it('shows an API key, over TLS', async () => {
    const certificate = selfSigned();
    const shown: unknown[] = [];
    const cloud = createSecureServer(certificate);
    cloud.on('stream', (stream, headers) => {
      shown.push(headers.authorization);
      stream.respond(
        { ':status': 200, 'content-type': 'application/grpc', 'grpc-status': '7', 'grpc-message': 'no' },
        { endStream: true },
      );
    });
    try {
      const env = {
        TEMPORAL_ADDRESS: await listening(cloud),
        TEMPORAL_API_KEY: 'sesame',
        TEMPORAL_TLS_SERVER_CA_CERT_PATH: file('cloud.pem', certificate.cert),
      };
      const { code, err } = await serinWith(env, 'list');
      expect(code).toBe(1);
      expect(err[0]).toMatch(/^serin list: .*PERMISSION_DENIED/);
      expect(err.join()).not.toContain('sesame');
      expect(new Set(shown)).toEqual(new Set(['Bearer sesame']));
    } finally {
      cloud.close();
    }
  });
});
