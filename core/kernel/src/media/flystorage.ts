/**
 * Flystorage ships CommonJS code but declares its types as ECMAScript only, so TypeScript refuses a plain import from a
 * CommonJS package (TS1479). The types are taken as an import would see them, the code as `require` finds it.
 */
type FileStorageModule = typeof import('@flystorage/file-storage', { with: { 'resolution-mode': 'import' }});
type LocalFsModule = typeof import('@flystorage/local-fs', { with: { 'resolution-mode': 'import' }});

export type FileStorage = InstanceType<FileStorageModule['FileStorage']>;

export const { FileStorage } = require('@flystorage/file-storage') as FileStorageModule;
export const { LocalStorageAdapter, PortableUnixVisibilityConversion } =
  require('@flystorage/local-fs') as LocalFsModule;
