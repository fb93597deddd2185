import type { FileRef } from '@ictcore/contract';
import type { DeliveryStatus } from './delivery-status';

/** How a file sat in its mail. */
export interface FilePlace {
  readonly name: string;
  /** `attachment`, `inline` or empty if the part did not say (RFC 2183). */
  readonly disposition: string;
  /** Content-ID that the HTML may refer to, without brackets; empty if it has none. */
  readonly contentId: string;
  /** Bytes. */
  readonly size: number;
}

/** A mail taken apart: character sets decoded, attachments in files. */
export interface ParsedMail {
  /** From: of the header, which anybody can write; empty if there is none. */
  readonly from: { readonly email: string; readonly name: string };
  readonly subject: string;
  readonly text: string;
  readonly html: string;
  readonly files: readonly FileRef[];
  /** One for each of `files`, in the same order. */
  readonly places: readonly FilePlace[];
  readonly deliveryStatus: DeliveryStatus | undefined;
  /** Message-ID with brackets; empty if the mail has none. */
  readonly messageId: string;
  /** Header fields as written, unfolded, by name in lower case; the first of each name. */
  readonly headers: ReadonlyMap<string, string>;
  /** Addresses of a field (`to`, `cc`, `delivered-to` ...), groups opened. */
  readonly addresses: ReadonlyMap<string, readonly string[]>;
  /** Trace fields (`Received`): servers the mail went through, at most those the header holds. */
  readonly hops: number;
}
