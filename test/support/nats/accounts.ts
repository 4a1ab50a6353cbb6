/**
 * Decentralized access to a nats-server: an operator whose key signs an account, whose key signs a
 * user. https://docs.nats.io/running-a-nats-service/configuration/securing_nats/auth_intro/jwt
 */
import { createHash } from 'node:crypto';
import { nkeys } from '@nats-io/transport-node';

type KeyPair = ReturnType<typeof nkeys.createUser>;

/** An operator with one account. */
export class NatsAccounts {
  readonly #operator = nkeys.createOperator();
  readonly #account = nkeys.createAccount();

  /** The configuration of a server that trusts the operator and knows the account. */
  get config(): string {
    const operator = claims(this.#operator, this.#operator, { type: 'operator' });
    const limits = {
      subs: -1,
      data: -1,
      payload: -1,
      imports: -1,
      exports: -1,
      conn: -1,
      leaf: -1,
    };
    const account = claims(this.#operator, this.#account, {
      type: 'account',
      limits: { ...limits, wildcards: true },
    });
    return [
      `operator: ${operator}`,
      'resolver: MEMORY',
      `resolver_preload: { ${this.#account.getPublicKey()}: ${account} }`,
    ].join('\n');
  }

  /** The contents of a .creds file for a new user. */
  createUser(): string {
    const user = nkeys.createUser();
    const jwt = claims(this.#account, user, { type: 'user', subs: -1, data: -1, payload: -1 });
    return [
      '-----BEGIN NATS USER JWT-----',
      jwt,
      '------END NATS USER JWT------',
      '-----BEGIN USER NKEY SEED-----',
      Buffer.from(user.getSeed()).toString(),
      '------END USER NKEY SEED------\n',
    ].join('\n');
  }
}

/** The JWT with which `issuer` confirms `nats` about `subject`. */
function claims(issuer: KeyPair, subject: KeyPair, nats: object): string {
  const payload = {
    iat: Math.floor(Date.now() / 1000),
    iss: issuer.getPublicKey(),
    name: 'test',
    sub: subject.getPublicKey(),
    nats: { version: 2, ...nats },
  };
  const jti = createHash('sha256').update(JSON.stringify(payload)).digest('hex');
  const signed = [
    { typ: 'JWT', alg: 'ed25519-nkey' },
    { jti, ...payload },
  ]
    .map(base64)
    .join('.');
  return `${signed}.${Buffer.from(issuer.sign(Buffer.from(signed))).toString('base64url')}`;
}

function base64(value: object): string {
  return Buffer.from(JSON.stringify(value)).toString('base64url');
}
