import { SmtpReply } from './smtp-inbound.reply';

/** Postfix lets 100 KB through for one field; all of them together are a few thousand bytes in honest mails. */
const MAX_BYTES = 262_144;
/** mailauth's time grows with the square of the lines: 20,000 of them take seconds, 200,000 minutes. */
const MAX_LINES = 3000;
/** Each signature means a hash over all of the mail. */
const MAX_SIGNATURES = 20;

/** Watches the header of a mail as it comes, so that no header is made to keep the libraries busy. */
export class HeaderGuard {
  private head = Buffer.alloc(0);
  private isOver = false;

  /** Looks at the next bytes; the refusal if the header is beyond measure. */
  take(chunk: Buffer): SmtpReply | undefined {
    if (this.isOver) return undefined;
    const from = Math.max(0, this.head.length - 3);
    this.head = Buffer.concat([this.head, chunk]);
    const end = endOfHeader(this.head, from);
    if (end === undefined && this.head.length <= MAX_BYTES) return undefined;
    return this.judge(end);
  }

  /** The refusal of a mail that ended before its header did. */
  end(): SmtpReply | undefined {
    return this.isOver ? undefined : this.judge(this.head.length);
  }

  private judge(end: number | undefined): SmtpReply | undefined {
    this.isOver = true;
    const header = this.head.subarray(0, end);
    this.head = Buffer.alloc(0);
    return problemOf(header);
  }
}

function endOfHeader(bytes: Buffer, from: number): number | undefined {
  const ends = ['\n\r\n', '\n\n'].map((mark) => bytes.indexOf(mark, from)).filter((at) => at >= 0);
  return ends.length > 0 ? Math.min(...ends) : undefined;
}

function problemOf(header: Buffer): SmtpReply | undefined {
  const lines = header.toString('latin1').split('\n');
  const signatures = lines.filter((line) => /^(dkim-signature|arc-message-signature)[ \t]*:/i.test(line)).length;
  if (header.length > MAX_BYTES || lines.length > MAX_LINES) {
    return new SmtpReply(554, '5.6.0 This mail cannot be read: its header is too large');
  }
  if (signatures > MAX_SIGNATURES) {
    return new SmtpReply(554, '5.6.0 This mail cannot be read: it has too many signatures');
  }
  return undefined;
}
