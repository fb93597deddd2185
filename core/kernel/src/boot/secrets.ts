import { createCipheriv, createDecipheriv, createHmac, hkdfSync, randomBytes } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { IctError } from '@ictcore/contract';

/**
 * Encrypts what is stored and must not be read (AES-256-GCM, a fresh 96-bit nonce each time). The purpose is bound in
 * as additional data, so that a secret copied from one row to another does not open there.
 */
export class SecretBox {
  private readonly encryptionKey: Buffer;
  private readonly macKey: Buffer;

  constructor(masterKey: Buffer) {
    this.encryptionKey = derive(masterKey, 'encryption');
    this.macKey = derive(masterKey, 'mac');
  }

  /** `purpose` e.g. `provider:12`. */
  seal(purpose: string, plain: string): string {
    const nonce = randomBytes(12);
    const cipher = createCipheriv('aes-256-gcm', this.encryptionKey, nonce).setAAD(Buffer.from(purpose));
    const body = Buffer.concat([cipher.update(plain, 'utf8'), cipher.final()]);
    return `v1.${Buffer.concat([nonce, cipher.getAuthTag(), body]).toString('base64url')}`;
  }

  /** @throws `SECRET_UNREADABLE` if it was sealed for another purpose or with another key */
  open(purpose: string, sealed: string): string {
    try {
      const bytes = Buffer.from(sealed.replace(/^v1\./, ''), 'base64url');
      const decipher = createDecipheriv('aes-256-gcm', this.encryptionKey, bytes.subarray(0, 12))
        .setAAD(Buffer.from(purpose))
        .setAuthTag(bytes.subarray(12, 28));
      return Buffer.concat([decipher.update(bytes.subarray(28)), decipher.final()]).toString('utf8');
    } catch (cause) {
      throw new IctError(`The stored secret of ${purpose} cannot be read with this server's key; enter it again`, {
        code: 'SECRET_UNREADABLE',
        cause,
      });
    }
  }

  /** A keyed hash: equal inputs are recognised again, nothing can be read back. */
  fingerprint(text: string): string {
    return createHmac('sha256', this.macKey).update(text).digest('base64url');
  }
}

/**
 * The master key: from the configuration, else from `data_dir/keys/master.key`, made there at the first start.
 */
export function loadMasterKey(configured: string | undefined, dataDir: string): Buffer {
  if (configured) return Buffer.from(configured, 'base64');
  const file = path.join(dataDir, 'keys', 'master.key');
  if (!existsSync(file)) {
    mkdirSync(path.dirname(file), { recursive: true, mode: 0o700 });
    try {
      writeFileSync(file, `${randomBytes(32).toString('base64')}\n`, { mode: 0o600, flag: 'wx' });
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
    }
  }
  const key = Buffer.from(readFileSync(file, 'utf8').trim(), 'base64');
  if (key.length !== 32)
    throw new IctError(`${file} does not hold 32 bytes in base64; restore it from a backup`, {
      code: 'MASTER_KEY_INVALID',
    });
  return key;
}

function derive(masterKey: Buffer, use: string): Buffer {
  return Buffer.from(hkdfSync('sha256', masterKey, Buffer.alloc(0), `ictcore ${use}`, 32));
}
