import { randomUUID } from 'node:crypto';
import { createWriteStream } from 'node:fs';
import { mkdir, rm } from 'node:fs/promises';
import path from 'node:path';
import { Transform } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { IctError, type UploadedFile, type UploadRule } from '@ictcore/contract';
import type { Request, Response } from 'express';
import multer from 'multer';

/** Files of one request, in a scratch folder of its own. */
export interface Upload {
  files: UploadedFile[];
  /** Multipart text fields; undefined if the whole body was the file. */
  fields: Record<string, unknown> | undefined;
  /** Removes the scratch folder; safe to call twice. */
  dispose(): Promise<void>;
}

/**
 * Receives the files of a request into a scratch folder below `scratch`: multipart parts, or the whole raw body where
 * the route allows it. On a route that takes a body beside files (`alsoBody`), JSON and forms are left for it.
 *
 * @throws 411 for an empty file, 413 beyond a limit
 */
export async function receiveUpload(
  request: Request,
  response: Response,
  rule: UploadRule,
  scratch: string,
  alsoBody: boolean,
): Promise<Upload> {
  const folder = path.join(scratch, randomUUID());
  const dispose = () => rm(folder, { recursive: true, force: true });
  const type = mediaTypeOf(request);
  try {
    if (type === 'multipart/form-data') {
      await mkdir(folder, { recursive: true, mode: 0o700 });
      const files = await receiveMultipart(request, response, rule, folder);
      refuseEmpty(files);
      return { files, fields: { ...(request.body as Record<string, unknown>) }, dispose };
    }
    const form = type === 'application/json' || type === 'application/x-www-form-urlencoded';
    if (rule.raw && !(alsoBody && form)) {
      await mkdir(folder, { recursive: true, mode: 0o700 });
      const file = await receiveRaw(request, rule, folder, type);
      refuseEmpty([file]);
      return { files: [file], fields: undefined, dispose };
    }
    return { files: [], fields: undefined, dispose };
  } catch (error) {
    await dispose();
    throw error;
  }
}

function refuseEmpty(files: readonly UploadedFile[]): void {
  if (files.length === 0 || files.some((file) => file.size === 0)) {
    throw new IctError('The upload is empty', { code: 'UPLOAD_EMPTY', status: 411 });
  }
}

function mediaTypeOf(request: Request): string {
  return (request.headers['content-type'] ?? '').split(';')[0]?.trim().toLowerCase() || 'application/octet-stream';
}

function receiveMultipart(
  request: Request,
  response: Response,
  rule: UploadRule,
  folder: string,
): Promise<UploadedFile[]> {
  const storage = multer.diskStorage({
    destination: folder,
    filename: (_req, _file, done) => done(null, randomUUID()),
  });
  const limits = { fileSize: rule.maxBytes, files: rule.maxFiles ?? 1, fields: 50, fieldSize: 1024 * 1024, parts: 100 };
  return new Promise((resolve, reject) => {
    multer({ storage, limits }).any()(request, response, (error: unknown) => {
      if (error) reject(multipartError(error as NodeJS.ErrnoException));
      else resolve((request.files as Express.Multer.File[]).map(fromMulter));
    });
  });
}

/** The parser's own errors have no code; those of multer's limits and of the disk have. */
function multipartError(error: NodeJS.ErrnoException): Error {
  if (error.code !== undefined) return error;
  const message = `The body is not valid multipart/form-data: ${error.message}`;
  return new IctError(message, { code: 'BODY_REFUSED', status: 400, cause: error });
}

function fromMulter(file: Express.Multer.File): UploadedFile {
  return {
    // multer hands the bytes of the name over as latin1; browsers send UTF-8 (RFC 7578 section 5.1).
    fileName: safeName(Buffer.from(file.originalname, 'latin1').toString('utf8')),
    mediaType: (file.mimetype.split(';')[0] ?? '').trim().toLowerCase() || 'application/octet-stream',
    path: file.path,
    size: file.size,
  };
}

async function receiveRaw(
  request: Request,
  rule: UploadRule,
  folder: string,
  mediaType: string,
): Promise<UploadedFile> {
  const target = path.join(folder, randomUUID());
  let size = 0;
  const counter = new Transform({
    transform(chunk: Buffer, _encoding, done) {
      size += chunk.length;
      if (size > rule.maxBytes) {
        done(new IctError(`The file is larger than ${rule.maxBytes} bytes`, { code: 'UPLOAD_TOO_LARGE', status: 413 }));
      } else done(null, chunk);
    },
  });
  await pipeline(request, counter, createWriteStream(target, { mode: 0o600 }));
  return { fileName: dispositionName(request.headers['content-disposition']), mediaType, path: target, size };
}

/** The `filename*` or `filename` of a Content-Disposition header (RFC 6266). */
function dispositionName(header: string | undefined): string | undefined {
  if (!header) return undefined;
  const extended = /filename\*\s*=\s*utf-8''([^;\s]+)/i.exec(header)?.[1];
  if (extended) {
    try {
      return safeName(decodeURIComponent(extended));
    } catch {
      return undefined;
    }
  }
  const plain = /filename\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^;\s]+))/i.exec(header);
  const name = plain?.[1]?.replace(/\\(.)/g, '$1') ?? plain?.[2];
  return name === undefined ? undefined : safeName(name);
}

/** A client's file name as a mere label: last path segment, no control characters, at most 255 characters. */
function safeName(name: string): string | undefined {
  const base = (name.split(/[\\/]/).pop() ?? '')
    // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are exactly what must go
    .replace(/[\u0000-\u001f\u007f]/g, '')
    .trim()
    .slice(0, 255);
  return base === '' ? undefined : base;
}
