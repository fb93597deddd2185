import type { Readable } from 'node:stream';
import type { Actor } from './actor';
import type { Logger } from './log';
import type { Schema } from './schema';

/** The verbs a route may use. */
export type HttpMethod = 'get' | 'post' | 'put' | 'patch' | 'delete';

/** Needs no credentials at all. */
export const PUBLIC = '@public';
/** Needs valid credentials but no permission. */
export const AUTHENTICATED = '@authenticated';

/** One part of a request that carries a file, whatever way it came (raw body or multipart). */
export interface UploadedFile {
  /** The client's name for the file, without any path; never used as a path on the server. */
  fileName: string | undefined;
  /** The declared media type without parameters, lower case; `application/octet-stream` if none was declared. */
  mediaType: string;
  /** A temporary file of the kernel, removed after the handler ends. */
  path: string;
  /** Bytes. */
  size: number;
}

/** What a route's handler is given. Everything in it has been validated. */
export interface RouteRequest<P = unknown, Q = unknown, B = unknown> {
  readonly params: P;
  readonly query: Q;
  readonly body: B;
  /** The authenticated caller; for a {@link PUBLIC} route an actor who may do nothing. */
  readonly actor: Actor;
  /** Header names in lower case. */
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  /** The caller's address, after the configured trusted proxies. */
  readonly ip: string;
  readonly method: string;
  /** The path as asked, without the query string. */
  readonly path: string;
  readonly requestId: string;
  readonly files: readonly UploadedFile[];
  /** Aborted when the client goes away. */
  readonly signal: AbortSignal;
  readonly log: Logger;
}

/** A reply that is more than a JSON value with status 200; made by {@link reply} and {@link fileReply}. */
export interface RouteReply {
  readonly mark: '@ictcore/reply';
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: unknown;
  readonly stream?: Readable;
}

/** Answers JSON with a status and headers of your own. */
export function reply(status: number, body: unknown, headers: Readonly<Record<string, string>> = {}): RouteReply {
  return { mark: '@ictcore/reply', status, headers, body };
}

/** Answers a file as `Content-Disposition: attachment` (RFC 6266). */
export function fileReply(file: {
  stream: Readable;
  name: string;
  mediaType: string;
  size?: number;
  headers?: Readonly<Record<string, string>>;
}): RouteReply {
  const plain = file.name.replace(/[^\x20-\x7e]|["\\]/g, '_');
  const disposition = `attachment; filename="${plain}"; filename*=UTF-8''${encodeRfc5987(file.name)}`;
  return {
    mark: '@ictcore/reply',
    status: 200,
    headers: {
      'Content-Type': file.mediaType,
      'Content-Disposition': disposition,
      ...(file.size === undefined ? {} : { 'Content-Length': String(file.size) }),
      ...file.headers,
    },
    body: undefined,
    stream: file.stream,
  };
}

/** Percent-encodes a header parameter value (RFC 5987 attr-char). */
function encodeRfc5987(value: string): string {
  return encodeURIComponent(value).replace(/['()*]/g, (c) => `%${c.charCodeAt(0).toString(16).toUpperCase()}`);
}

/** True for a {@link RouteReply} of any loaded copy of the contract. */
export function isRouteReply(value: unknown): value is RouteReply {
  return typeof value === 'object' && value !== null && (value as { mark?: unknown }).mark === '@ictcore/reply';
}

/** How a route takes files. */
export interface UploadRule {
  /** Largest file in bytes; more is refused with 413. */
  maxBytes: number;
  /** Most files in one multipart request. Default 1. */
  maxFiles?: number;
  /** True if the whole request body may be the file (media uploads, CSV). */
  raw?: boolean;
}

/**
 * One endpoint. From this one declaration come the express route, the checks of permission and input, the OpenAPI
 * document and the generated security tests.
 */
export interface RouteDefinition<P = unknown, Q = unknown, B = unknown, R = unknown> {
  method: HttpMethod;
  /** Path below the API's base with parameters in braces: `/contacts/{contact_id}`. */
  path: string;
  /** Other verbs and paths that do the same (API section 0.3). */
  aliases?: readonly { method?: HttpMethod; path?: string }[];
  /** Permissions that the caller must all hold; or {@link PUBLIC} or {@link AUTHENTICATED}. */
  permission: string | readonly string[];
  summary: string;
  description?: string;
  /** The group in the documentation; default: the first segment of the path. */
  tag?: string;
  params?: Schema<P>;
  query?: Schema<Q>;
  body?: Schema<B>;
  upload?: UploadRule;
  /** What a success looks like (documentation; checked in the kernel's own tests). */
  response?: Schema<R>;
  /** Status codes beyond the common ones that this route answers, for the documentation. */
  errors?: Readonly<Record<number, string>>;
  handler(request: RouteRequest<P, Q, B>): Promise<R | RouteReply> | R | RouteReply;
}

/** A route whose types have been erased for collecting. */
// biome-ignore lint/suspicious/noExplicitAny: a list of routes is heterogeneous by nature
export type AnyRoute = RouteDefinition<any, any, any, any>;

/** Types a route from its schemas. */
export function defineRoute<P, Q, B, R>(route: RouteDefinition<P, Q, B, R>): RouteDefinition<P, Q, B, R> {
  return route;
}
