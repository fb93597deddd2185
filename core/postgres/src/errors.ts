/** What can go wrong, as stable codes: recognise an error by its `code`, never by its text or class. */
export type EmbeddedPostgresErrorCode =
  /** The caller's AbortSignal fired before the server was ready. */
  | 'ABORTED'
  /** No PostgreSQL programs were found for this platform. */
  | 'BINARIES_NOT_FOUND'
  /** PostgreSQL programs were found but cannot run here. */
  | 'BINARIES_UNUSABLE'
  /** The folder holds something that is not ours; nothing was changed in it. */
  | 'DATA_DIR_FOREIGN'
  /** Another live process holds the data directory. */
  | 'DATA_DIR_IN_USE'
  /** The folder belongs to another user of the machine. */
  | 'DATA_DIR_NOT_OWNED'
  /** `initdb` failed or ran out of time. */
  | 'INITDB_FAILED'
  /** A setting that the launcher itself needs, or a malformed name. */
  | 'INVALID_SETTING'
  /** No file lock can be taken (no `flock` program, or a file system without locks). */
  | 'LOCK_UNAVAILABLE'
  /** The data directory exists but its password file does not, or the server refuses that password. */
  | 'PASSWORD_MISSING'
  | 'PASSWORD_WRONG'
  /** Another program listens on the port that was asked for. */
  | 'PORT_IN_USE'
  /** A server runs on this directory but did not become ready in time. */
  | 'POSTGRES_NOT_ANSWERING'
  /** `postgres` ended while starting. */
  | 'POSTGRES_START_FAILED'
  /** The process is root, and this machine lets it become nobody else. */
  | 'ROOT_NOT_POSSIBLE'
  /** A test database still had connections when it was dropped. */
  | 'TEST_CONNECTIONS_LEAKED'
  /** A test template was named that nobody made. */
  | 'TEST_TEMPLATE_UNKNOWN'
  /** The data directory was made by another major version of PostgreSQL. */
  | 'WRONG_MAJOR';

/** Every error this package throws on purpose. The message says what to do. */
export class EmbeddedPostgresError extends Error {
  override readonly name = 'EmbeddedPostgresError';

  constructor(
    /** Stable, for programs. */
    readonly code: EmbeddedPostgresErrorCode,
    message: string,
    options?: { cause?: unknown },
  ) {
    super(message, options);
  }
}

/** The `code` of any error, or undefined: works for Node's, pg's and our own errors alike. */
export function errorCode(error: unknown): string | undefined {
  const code = (error as { code?: unknown } | null | undefined)?.code;
  return typeof code === 'string' ? code : undefined;
}
