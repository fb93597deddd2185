import type { FaxOrder, FileRef, VoiceOrder } from '@ictcore/contract';
import type { SipSettings } from '../asterisk.settings';
import type { MediaStage } from './media-stage';
import { planVoice, type VoiceOp } from './one-shot';

/** The order's file is not there, or not readable. */
export class MediaMissingError extends Error {
  readonly code = 'MEDIA_MISSING';
}

/** Most characters of a header line, and of a station id (ITU-T T.30). */
const MAX_HEADER = 50;
const MAX_STATION = 20;

/** What the context ict-sendfax needs. Stages the document. */
export async function faxVariables(
  stage: MediaStage,
  ref: string,
  order: FaxOrder,
  settings: SipSettings,
): Promise<Record<string, string | number>> {
  return {
    ICT_FILE: await staged(stage, ref, 0, order.document, 'tif'),
    ICT_PAGES: order.pages,
    ICT_HEADER: line(order.header, MAX_HEADER),
    ICT_STATION: line(order.stationId, MAX_STATION).replace(/[^0-9A-Za-z +.,-]/g, ' '),
    ICT_ECM: order.ecm ? 'yes' : 'no',
    ICT_FAXMODE: settings.fax_mode === 'audio' || !settings.t38 ? 'F' : 'fz',
  };
}

/** What the context ict-voice needs. Stages the recordings. Throws StepError or {@link MediaMissingError}. */
export async function voiceVariables(
  stage: MediaStage,
  ref: string,
  order: VoiceOrder,
): Promise<Record<string, string | number>> {
  const plan = planVoice(order.steps);
  const variables: Record<string, string | number> = { ICT_N: plan.ops.length };
  if (plan.amd !== 'off') {
    variables.ICT_AMD = 1;
    variables.ICT_MACHINE = plan.amd;
  }
  for (const [index, op] of plan.ops.entries()) {
    variables[`ICT_OP${index + 1}`] = op.op;
    variables[`ICT_A${index + 1}`] = await argumentOf(stage, ref, index, op);
    if (op.op === 'read') Object.assign(variables, { ICT_MAX: op.max, ICT_WAIT: op.seconds });
  }
  return variables;
}

async function argumentOf(stage: MediaStage, ref: string, index: number, op: VoiceOp): Promise<string> {
  return 'file' in op ? staged(stage, ref, index, op.file, 'wav') : op.value;
}

async function staged(stage: MediaStage, ref: string, index: number, file: FileRef, kind: 'tif' | 'wav') {
  try {
    return await stage.put(ref, index, file, kind);
  } catch (error) {
    throw new MediaMissingError(`${file.name}: ${(error as Error).message}`);
  }
}

/** Text for one line of a page: no control characters, bounded. */
function line(text: string, most: number): string {
  return text
    .replace(/\p{C}+/gu, ' ')
    .trim()
    .slice(0, most);
}
