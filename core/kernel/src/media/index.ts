export { type DownloadFile, downloadReply } from './download';
export { MediaStorage, ORPHAN_AGE_MS, type StoredFile } from './storage';
