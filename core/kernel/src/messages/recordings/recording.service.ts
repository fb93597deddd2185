import type { Actor, FileRef, RouteReply, RouteRequest } from '@ictcore/contract';
import { inject, Lifecycle, scoped } from 'tsyringe';
import { OwnedRepository } from '../../database/owned-repository';
import type { CrudService } from '../../http/crud-routes';
import {
  type DownloadOptions,
  type IncomingFile,
  MediaFiles,
  MediaMessageService,
  type MediaRow,
  RECORDING_MEDIA,
  safeName,
  unknownFormat,
} from '../conversion';
import { Recording } from './recording.model';
import { type RecordingCreate, type RecordingRow, type RecordingUpdate, recordingSpec } from './recording.schema';

/** A recording ready to be played. */
export interface SendableRecording {
  readonly recording_id: number;
  readonly name: string;
  /** Seconds, rounded up. */
  readonly length: number;
  /** WAV: PCM of 16 bits, 8 kHz, one channel. */
  readonly file: FileRef;
}

const SENDABLE = `
  select r.recording_id, r.name, r.length, m.storage_key, m.size
    from recording r join message_media m on m.recording_id = r.recording_id and m.role = 'derived'
   where r.recording_id = any($1::int8[])`;

/** Voice recordings: guide lines S20 to S25. */
@scoped(Lifecycle.ContainerScoped)
export class RecordingService
  extends MediaMessageService<RecordingRow>
  implements CrudService<RecordingRow, RecordingCreate, RecordingUpdate>
{
  constructor(@inject(MediaFiles) files: MediaFiles) {
    const { database } = files;
    super(
      RECORDING_MEDIA,
      new OwnedRepository<RecordingRow>(database, recordingSpec, database.sequelize.getRepository(Recording)),
      files,
    );
  }

  /** S20; with files it exists only if they can be used. `limited` false for received ones. */
  create(actor: Actor, input: RecordingCreate, incoming: readonly IncomingFile[] = [], limited = true) {
    return this.createWith(actor, toColumns(input), incoming, limited);
  }

  /** S23; a file replaces what is there. */
  async update(
    actor: Actor,
    id: number,
    input: RecordingUpdate,
    incoming: readonly IncomingFile[] = [],
  ): Promise<RecordingRow> {
    if (incoming.length > 0) {
      await this.repository.get(actor, id);
      await this.change(actor, id, { action: 'replace' }, incoming);
    }
    return this.files.database.transaction(async (tx) => {
      await this.repository.lock(actor, id, tx);
      await this.repository.update(actor, id, toColumns(input), tx);
      return this.repository.get(actor, id, tx);
    });
  }

  /** As `DocumentService.sendable`. */
  async sendable(ids: readonly number[]): Promise<Map<number, SendableRecording>> {
    const rows = await this.files.database.query<{
      recording_id: number;
      name: string;
      length: number;
      storage_key: string;
      size: number;
    }>(SENDABLE, [[...new Set(ids)]]);
    return new Map(
      rows.map((row) => {
        const { recording_id, name, length } = row;
        return [recording_id, { recording_id, name, length, file: this.fileRef(row, name) }];
      }),
    );
  }

  protected async derivedReply(
    _id: number,
    row: RecordingRow,
    files: readonly MediaRow[],
    options: DownloadOptions,
    wire: Pick<RouteRequest, 'headers' | 'signal'>,
  ): Promise<RouteReply> {
    const { format = 'wav' } = options;
    if (format !== 'wav') return unknownFormat(format, ['wav', 'original']);
    const derived = files.find((file) => file.role === 'derived') as MediaRow;
    return this.stored(derived, `${safeName(row.name)}.wav`, options, wire);
  }
}

function toColumns({ name, description }: RecordingUpdate): Record<string, unknown> {
  return {
    ...(name !== undefined && { name }),
    ...(description !== undefined && { description: description ?? '' }),
  };
}
