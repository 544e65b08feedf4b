import { exportJWK, generateKeyPair, SignJWT } from 'jose';
import { createServer } from 'node:http';

/** Someone whose tokens a worker believes. */
export interface TestIssuer {
  /** A token of this minute. */
  token(email: string): Promise<string>;
  close(): Promise<void>;
}

/** Signs tokens as `http://127.0.0.1:<port>`, and has its keys there. */
export async function openIssuer(port: number): Promise<TestIssuer> {
  const { privateKey, publicKey } = await generateKeyPair('ES256');
  const keys = [{ ...(await exportJWK(publicKey)), kid: 'one', alg: 'ES256' }];
  const server = createServer((_, response) => response.end(JSON.stringify({ keys })));
  await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve));
  return {
    token: (email) =>
      new SignJWT({ email })
        .setProtectedHeader({ alg: 'ES256', kid: 'one' })
        .setIssuer(issuerOf(port).issuer)
        .setAudience('serin')
        .setIssuedAt()
        .setExpirationTime('1m')
        .sign(privateKey),
    close: () => new Promise((resolve) => server.close(() => resolve())),
  };
}

/** Its entry in an issuers file. */
export function issuerOf(port: number): { readonly issuer: string; readonly audience: string; readonly jwks: string } {
  const issuer = `http://127.0.0.1:${port}`;
  return { issuer, audience: 'serin', jwks: `${issuer}/keys` };
}
