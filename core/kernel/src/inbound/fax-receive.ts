import type { Logger } from '@ictcore/contract';
import { FAX_QUALITIES } from '@ictcore/media';
import { inject, Lifecycle, scoped } from 'tsyringe';
import { LOG } from '../boot/injection';
import { DOCUMENT_MEDIA, MediaFiles } from '../messages/conversion';
import { DocumentService } from '../messages/documents';
import type { ReceivingInput, ReceivingStep, Stored } from './receiving-step';

/** The quality of received pages: nothing that a fax machine sends in fine resolution is lost. */
const QUALITY = 'fine';

/** `fax_receive`: the pages that the carrier has received become a Document. */
@scoped(Lifecycle.ContainerScoped)
export class FaxReceive implements ReceivingStep {
  constructor(
    @inject(DocumentService) private readonly documents: DocumentService,
    @inject(MediaFiles) private readonly media: MediaFiles,
    @inject(LOG) private readonly log: Logger,
  ) {}

  async receive({ tx, owner, message, label }: ReceivingInput): Promise<Stored> {
    const pages = Number(message.facts.find((fact) => fact.name === 'pages')?.data ?? 1);
    if (message.files.length === 0 || !(pages > 0)) return { ...NOTHING, failure: INVALID };
    const { x, y } = FAX_QUALITIES[QUALITY];
    const values = { ...label, quality: QUALITY, resolution_x: x, resolution_y: y };
    const id = await this.documents.repository.insert(owner, values, tx);
    const request = { action: 'replace', files: message.files, limited: false } as const;
    const change = await this.media.request(owner, DOCUMENT_MEDIA, id, request, tx);
    tx.afterCommit(() => {
      this.media.conversions
        .settle(DOCUMENT_MEDIA, id, change)
        .catch((error: unknown) => this.log.warn({ document_id: id, error }, 'a received fax cannot be read'));
    });
    return {
      facts: [{ type: 'message', name: 'document', data: String(id) }],
      amount: pages,
      ids: { document_id: id },
      keepsFiles: true,
    };
  }
}

const INVALID = { reason: 'media_rejected', response: 'invalid fax' } as const;
const NOTHING: Stored = {
  facts: [{ type: 'error', name: 'error', data: INVALID.response }],
  amount: 0,
  ids: {},
  keepsFiles: false,
};
