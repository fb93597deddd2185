import type { AnyRoute } from '@ictcore/contract';
import type { Config } from '../../boot/config';
import { mediaMessageRoutes } from '../conversion';
import { recordingCreate, recordingListed, recordingRead, recordingSpec, recordingUpdate } from './recording.schema';
import type { RecordingService } from './recording.service';

/** S20 to S25 and the media of recordings. */
export function recordingRoutes(service: RecordingService, config: Config['media']): AnyRoute[] {
  return mediaMessageRoutes({
    spec: recordingSpec,
    paths: ['/messages/recordings', '/recordings'],
    service,
    create: recordingCreate,
    update: recordingUpdate,
    read: recordingRead,
    row: recordingListed,
    guide: ['S20', 'S21', 'S22', 'S23', 'S24', 'S25'],
    maxBytes: config.recording_max_bytes,
    formats: 'wav (default), original (several: a zip archive)',
  });
}
