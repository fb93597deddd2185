/** The thread behind SniffThread: tells media types by content. */
import { parentPort } from 'node:worker_threads';

/** A file, or the head of one. */
export interface SniffQuestion {
  readonly id: number;
  readonly path?: string;
  readonly head?: Uint8Array;
}

/** Its type; undefined when it has no known signature. */
export interface SniffAnswer {
  readonly id: number;
  readonly mediaType?: string | undefined;
  /** The file could not be read. */
  readonly error?: string;
}

async function detect({ path, head }: SniffQuestion): Promise<string | undefined> {
  const { fileTypeFromBuffer, fileTypeFromFile } = await import('file-type');
  const found = path === undefined ? await fileTypeFromBuffer(head ?? new Uint8Array()) : await fileTypeFromFile(path);
  return found?.mime;
}

parentPort?.on('message', (question: SniffQuestion) => {
  const { id } = question;
  const reply = (answer: SniffAnswer): void => parentPort?.postMessage(answer);
  detect(question).then(
    (mediaType) => reply({ id, mediaType }),
    (error: unknown) => reply({ id, error: error instanceof Error ? error.message : String(error) }),
  );
});
