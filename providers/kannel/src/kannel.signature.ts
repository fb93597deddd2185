import { createHmac, timingSafeEqual } from 'node:crypto';
import type { ProviderConfig } from '@ictcore/contract';
import type { KannelSettings } from './kannel.settings';

/** Signs what comes back in delivery reports, so that only who was given a report's URL can send it. */
export class Signer {
  private readonly key: string;

  constructor({ providerId, password, settings }: ProviderConfig<KannelSettings>) {
    this.key = `ictcore kannel reports\0${providerId}\0${settings.callback_secret ?? password}`;
  }

  /** 16 octets of HMAC-SHA256, in the URL's own alphabet. */
  sign(ref: string, segments: number): string {
    return createHmac('sha256', this.key).update(`${ref}\0${segments}`).digest().subarray(0, 16).toString('base64url');
  }

  isRight(ref: string, segments: number, signature: string): boolean {
    return sameText(this.sign(ref, segments), signature);
  }
}

/** Compares without telling by its time how much is right. */
export function sameText(expected: string, given: string): boolean {
  const [a, b] = [Buffer.from(expected), Buffer.from(given)];
  return a.length === b.length && timingSafeEqual(a, b);
}
