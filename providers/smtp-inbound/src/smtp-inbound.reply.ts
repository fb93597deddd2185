/** An SMTP answer that refuses something; the text begins with the enhanced status code (RFC 3463). */
export class SmtpReply extends Error {
  override readonly name = 'SmtpReply';

  constructor(
    /** The reply code (RFC 5321 section 4.2), which smtp-server reads by this name. */
    readonly responseCode: number,
    text: string,
  ) {
    super(text);
  }
}
