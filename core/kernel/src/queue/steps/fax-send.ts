import { type FaxOrder, type Refused, refused } from '@ictcore/contract';
import { inject, Lifecycle, scoped } from 'tsyringe';
import type { Config } from '../../boot/config';
import { CONFIG } from '../../boot/injection';
import { DocumentService, type SendableDocument } from '../../messages/documents';
import type { OneShotStep, StepInput } from './step';

/** Characters of a station id (ITU-T T.30, CSI and TSI). */
const STATION_ID_LENGTH = 20;
/** Characters of a header line beside date, numbers and page, which the modem adds. */
const HEADER_LENGTH = 64;

/** `fax_send`: the pages of one document to one number. Each document of a batch is looked up once. */
@scoped(Lifecycle.ContainerScoped)
export class FaxSend implements OneShotStep {
  private readonly stationId: string;

  constructor(
    @inject(DocumentService) private readonly documents: DocumentService,
    @inject(CONFIG) config: Config,
  ) {
    this.stationId = printable(config.company.name).slice(0, STATION_ID_LENGTH).trim();
  }

  async build(inputs: readonly StepInput[]): Promise<(FaxOrder | Refused)[]> {
    const documents = await this.documents.sendable(inputs.map((input) => Number(input.parameters.document_id)));
    return inputs.map((input) => {
      const document = documents.get(Number(input.parameters.document_id));
      return document ? this.order(input, document) : refused('media_rejected', 'media_missing');
    });
  }

  private order({ base }: StepInput, { file, pages, name }: SendableDocument): FaxOrder | Refused {
    if (!base.to.phone) return refused('invalid_destination', 'the contact has no phone number');
    const header = printable(name).slice(0, HEADER_LENGTH).trim();
    return { ...base, channel: 'fax', document: file, pages, header, stationId: this.stationId, ecm: true };
  }
}

/** What every fax machine can print: ASCII. Letters with accents lose them, other characters become `?`. */
function printable(text: string): string {
  return text
    .normalize('NFKD')
    .replace(/\p{M}+/gu, '')
    .replace(/[^\x20-\x7e]/gu, '?');
}
