/** How a message travels. Every program and every provider session belongs to at least one channel. */
export type Channel = 'voice' | 'fax' | 'sms' | 'email';

/** All channels, in the order of their service flags. */
export const CHANNELS: readonly Channel[] = ['voice', 'fax', 'sms', 'email'];

/** The REST API's bit of each channel (guide, Transmission `service_flag`): voice 1, fax 2, sms 4, email 8. */
export const SERVICE_FLAG: Readonly<Record<Channel, number>> = { voice: 1, fax: 2, sms: 4, email: 8 };

/** Who began: `outbound` goes from an account to a contact, `inbound` the other way (API section 3.1). */
export type Direction = 'outbound' | 'inbound';

/** The bit mask of several channels, as stored in `service_flag`. */
export function serviceFlagOf(channels: readonly Channel[]): number {
  return channels.reduce((mask, channel) => mask | SERVICE_FLAG[channel], 0);
}

/** The channels of a `service_flag` bit mask; bits that name no channel are ignored. */
export function channelsOf(serviceFlag: number): Channel[] {
  return CHANNELS.filter((channel) => (serviceFlag & SERVICE_FLAG[channel]) !== 0);
}
