import parsePhoneNumber, { type CountryCode } from 'libphonenumber-js/min';

/**
 * The form in which a number from a carrier is kept: as {@link normalizePhone}, and E.164 also where carriers leave the
 * `+` away (SMPP's TON says "international", Kannel and others do not pass it on) and it plainly is an international one.
 */
export function normalizeCarrierPhone(given: string | null | undefined, country?: string): string | null {
  const known = normalizePhone(given, country);
  if (!known || !/^[1-9]\d{9,14}$/.test(known)) return known;
  const parsed = parsePhoneNumber(`+${known}`);
  // No national number has twelve digits; a shorter one must be a real one of the country that it seems to name.
  return parsed?.isValid() || (known.length >= 12 && parsed?.isPossible()) ? parsed.number : known;
}

/**
 * The form in which a phone number is matched and dialled: E.164 (`+` and digits) where the number or the default
 * country (ISO 3166-1 alpha-2) tells, otherwise digits with an optional leading `+`. Null if there is no digit.
 * Short numbers (extensions, short codes) stay as they are.
 */
export function normalizePhone(typed: string | null | undefined, country?: string): string | null {
  if (!typed) return null;
  const bare = typed
    .trim()
    .replace(/^00(?=[1-9])/, '+')
    .replace(/(?!^\+)[^0-9]/g, '');
  if (!/[0-9]/.test(bare)) return null;
  // Parsing costs some ten microseconds: only what is not plainly E.164 already, and could be a national number.
  if (/^\+[1-9]\d{6,14}$/.test(bare) || !country || bare.replace('+', '').length < 7) return bare;
  const parsed = parsePhoneNumber(bare, country as CountryCode);
  return parsed?.isPossible() ? parsed.number : bare;
}
