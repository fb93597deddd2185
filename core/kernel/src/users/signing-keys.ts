import { createPrivateKey, createPublicKey, generateKeyPair, type KeyObject } from 'node:crypto';
import { promisify } from 'node:util';
import { IctError, type SqlRunner } from '@ictcore/contract';
import type { SecretBox } from '../boot/secrets';
import { firstRow } from '../database/sql';

/** The pair that signs and checks tokens (RS256), the same on all nodes. */
export interface SigningKeys {
  readonly privateKey: KeyObject;
  readonly publicKey: KeyObject;
}

const MASTER_KEY = 'master_key_fingerprint';
const SIGNING_KEY = 'jwt_private_key';
const PURPOSE = `system_value:${SIGNING_KEY}`;

/**
 * Makes the signing keys unless they are there. To be called in a transaction that only one server has at a time.
 *
 * @throws `MASTER_KEY_MISMATCH` if what the database holds was encrypted with another master key than this server's
 */
export async function ensureSigningKeys(sql: SqlRunner, box: SecretBox): Promise<void> {
  const fingerprint = box.fingerprint('master key');
  const known = await read(sql, MASTER_KEY);
  if (known !== undefined && known !== fingerprint) throw masterKeyMismatch();
  if (known === undefined) await write(sql, MASTER_KEY, fingerprint);
  if ((await read(sql, SIGNING_KEY)) !== undefined) return;
  const { privateKey } = await promisify(generateKeyPair)('rsa', { modulusLength: 2048 });
  const pem = privateKey.export({ type: 'pkcs8', format: 'pem' }) as string;
  await write(sql, SIGNING_KEY, box.seal(PURPOSE, pem));
}

/** The signing keys from the database. */
export async function readSigningKeys(sql: SqlRunner, box: SecretBox): Promise<SigningKeys> {
  const sealed = await read(sql, SIGNING_KEY);
  if (sealed === undefined) {
    throw new IctError('The database holds no signing key; it has not been set up by a server yet', {
      code: 'SIGNING_KEY_MISSING',
    });
  }
  const privateKey = createPrivateKey(box.open(PURPOSE, sealed));
  return { privateKey, publicKey: createPublicKey(privateKey) };
}

function masterKeyMismatch(): IctError {
  return new IctError(
    'The secrets in this database were encrypted with another master key than the one this server has. ' +
      'Give this server the key of the servers that have used the database so far: set ICTCORE_SECRET_KEY, or copy ' +
      'keys/master.key from their data directory (or its backup) into that of this server.',
    { code: 'MASTER_KEY_MISMATCH' },
  );
}

async function read(sql: SqlRunner, name: string): Promise<string | undefined> {
  return (await firstRow<{ value: string }>(sql, 'select value from system_value where name = $1', [name]))?.value;
}

async function write(sql: SqlRunner, name: string, value: string): Promise<void> {
  await sql.query('insert into system_value (name, value) values ($1, $2)', [name, value]);
}
