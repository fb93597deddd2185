export { Recording } from './recording.model';
export { recordingRoutes } from './recording.routes';
export { recordingCreate, recordingSpec } from './recording.schema';
export { RecordingService, type SendableRecording } from './recording.service';
