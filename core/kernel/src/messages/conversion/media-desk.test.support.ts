import 'reflect-metadata';
import { readdirSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import http from 'node:http';
import type { AddressInfo } from 'node:net';
import os from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';
import type { Actor, Logger } from '@ictcore/contract';
import { MediaConverter, type MediaConverterOptions } from '@ictcore/media';
import express from 'express';
import { type Config, configSchema } from '../../boot/config';
import type { Database } from '../../database/database';
import { buildRouter, errorHandler } from '../../http/router';
import { MediaStorage } from '../../media';
import { type TestKernelDatabase, testDatabase } from '../../testing/test-database';
import { Document, DocumentService, documentRoutes } from '../documents';
import { Recording, RecordingService, recordingRoutes } from '../recordings';
import { capabilityRoutes } from './capability.routes';
import { ConversionWork } from './conversion-work';
import { Conversions } from './conversions';
import { MediaFiles } from './media-files';

const silent = { debug() {}, info() {}, warn() {}, error() {} } as unknown as Logger;

/** What came back. */
export interface Answer {
  status: number;
  body: never;
  headers: Headers;
  bytes: Buffer;
}

/** A node as far as media need one: a row in the table, storage, converter, conversions, services. */
export class MediaNode {
  readonly conversions: Conversions;
  readonly documents: DocumentService;
  readonly recordings: RecordingService;
  readonly storage: MediaStorage;

  private constructor(
    readonly id: number,
    readonly config: Config,
    readonly converter: MediaConverter,
    database: Database,
  ) {
    this.storage = new MediaStorage(config, silent);
    const work = new ConversionWork(database, config, silent, this.storage, converter);
    this.conversions = new Conversions(database, config, silent, converter, work);
    const files = new MediaFiles(database, config, this.storage, converter, this.conversions);
    this.documents = new DocumentService(files);
    this.recordings = new RecordingService(files);
  }

  static async make(
    database: Database,
    dataDir: string,
    media: Record<string, unknown> = {},
    converter?: MediaConverter,
  ): Promise<MediaNode> {
    const config = configSchema.parse({ data_dir: dataDir, media });
    const [row] = await database.query<{ node_id: number }>(
      `insert into node (instance, role, version) values (gen_random_uuid()::text, 'all', 'test') returning node_id`,
    );
    const made = converter ?? new MediaConverter(converterOptions(dataDir));
    return new MediaNode(row?.node_id as number, config, made, database);
  }

  start(): Promise<void> {
    return this.conversions.start(this.id);
  }

  async stop(): Promise<void> {
    await this.conversions.stop();
    await this.storage.settle();
  }
}

export function converterOptions(dataDir: string): MediaConverterOptions {
  return { scratchRoot: path.join(dataDir, 'tmp', 'conversions'), workers: 2 };
}

/** Media routes of a node over HTTP, for users ann, bob and admin. */
export class MediaDesk {
  private constructor(
    readonly db: TestKernelDatabase,
    readonly folder: string,
    readonly node: MediaNode,
    readonly actors: Readonly<Record<'ann' | 'bob' | 'admin' | 'reader', Actor>>,
    private readonly server: http.Server,
    private readonly base: string,
  ) {}

  static async open(media: Record<string, unknown> = {}): Promise<MediaDesk> {
    const db = await testDatabase([Document, Recording]);
    const folder = await mkdtemp(path.join(os.tmpdir(), 'ictcore-media-'));
    // On a busy machine, too, answers are what they come to, and not that they take long.
    const node = await MediaNode.make(db.database, folder, { convert_wait: 100, ...media });
    await node.start();
    const actors = {
      ann: await user(db.database, 'ann', (name) => !name.endsWith('_admin')),
      bob: await user(db.database, 'bob', (name) => !name.endsWith('_admin')),
      admin: await user(db.database, 'admin', () => true),
      reader: await user(db.database, 'reader', (name) => /_(read|list)$/.test(name)),
    };
    const { documents, recordings, config, converter } = node;
    const routes = [
      ...documentRoutes(documents, config.media),
      ...recordingRoutes(recordings, config.media),
      ...capabilityRoutes(converter, config.media),
    ];
    const app = express().use(
      '/api',
      buildRouter(routes, {
        authenticator: { authenticate: async (request) => actors[String(request.headers['x-user']) as 'ann'] },
        log: silent,
        maxBodyBytes: 10_000_000,
        scratch: path.join(folder, 'tmp', 'uploads'),
        legacyGet: true,
      }),
    );
    app.use(errorHandler(silent));
    const server = app.listen(0, '127.0.0.1');
    await new Promise((resolve) => server.once('listening', resolve));
    const base = `http://127.0.0.1:${(server.address() as AddressInfo).port}/api`;
    return new MediaDesk(db, folder, node, actors, server, base);
  }

  async close(): Promise<void> {
    await promisify(this.server.close.bind(this.server))();
    await this.node.stop();
    await this.db.close();
    await rm(this.folder, { recursive: true, force: true });
  }

  async call(
    name: string,
    method: string,
    at: string,
    body?: unknown,
    headers: Record<string, string> = {},
  ): Promise<Answer> {
    const raw = body instanceof FormData || body instanceof Uint8Array;
    const json = !raw && body !== undefined && { 'content-type': 'application/json' };
    const response = await fetch(this.base + at, {
      method,
      headers: { 'x-user': name, ...json, ...headers },
      ...(body !== undefined && { body: (raw ? body : JSON.stringify(body)) as NonNullable<RequestInit['body']> }),
    });
    const bytes = Buffer.from(await response.arrayBuffer());
    const isJson = /json/.test(response.headers.get('content-type') ?? '');
    const parsed = isJson ? JSON.parse(bytes.toString()) : undefined;
    return { status: response.status, body: parsed as never, headers: response.headers, bytes };
  }

  /** As {@link call} with a raw file as the body. */
  send(name: string, method: string, at: string, content: Uint8Array | string, type: string): Promise<Answer> {
    return this.call(name, method, at, Buffer.from(content), { 'content-type': type });
  }

  /** Every file below the data directory, storage and scratch alike. */
  filesOnDisk(): string[] {
    return readdirSync(this.folder, { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map((entry) => path.relative(this.folder, path.join(entry.parentPath, entry.name)))
      .sort();
  }

  /** Storage keys of a document's files in one role. */
  async filesOf(documentId: number, role: string): Promise<string[]> {
    const rows = await this.db.database.query<{ storage_key: string }>(
      'select storage_key from message_media where document_id = $1 and role = $2 order by position',
      [documentId, role],
    );
    return rows.map((row) => row.storage_key);
  }

  /** Storage keys that rows refer to, as paths below the data directory. */
  async filesOfRows(): Promise<string[]> {
    const rows = await this.db.database.query<{ key: string }>('select storage_key as key from message_media');
    return rows.map((row) => path.join('media', row.key)).sort();
  }
}

async function user(database: Database, name: string, can: (permission: string) => boolean): Promise<Actor> {
  const [row] = await database.query<{ user_id: number }>(
    `insert into usr (username, passwd, email) values ($1::text, 'x', $1::text || '@example.org') returning user_id`,
    [name],
  );
  return { userId: row?.user_id as number, username: name, can };
}
