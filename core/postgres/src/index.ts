export { type EmbeddedPostgres, type EmbeddedPostgresOptions, startEmbeddedPostgres } from './embedded-postgres';
export { EmbeddedPostgresError, type EmbeddedPostgresErrorCode } from './errors';
export { type DataDirLock, lockDataDir } from './lock';
export type { DownEvent, UpEvent } from './supervisor';
export { connectTestPostgres, type TestDatabase, type TestDatabases } from './test-databases';
export { startTestPostgres, type TestPostgres } from './test-postgres';
