/** States of a campaign (API section 3.9). `deleting` is never shown: the row is on its way out. */
export const CAMPAIGN_STATES = ['new', 'ready', 'running', 'paused', 'completed', 'broken', 'deleting'] as const;
export type CampaignState = (typeof CAMPAIGN_STATES)[number];

/** Which state may follow which, apart from `deleting`, which may follow any. */
export const CAMPAIGN_TRANSITIONS: Readonly<Record<CampaignState, readonly CampaignState[]>> = {
  new: ['ready', 'running'],
  ready: ['running'],
  running: ['paused', 'completed', 'broken'],
  paused: ['running'],
  // Once what broke it is mended, `resume` lets it go on with what is still pending. `start` does not.
  broken: ['running'],
  completed: [],
  deleting: [],
};

/** What a start and a resume may begin from. */
export const STARTABLE: readonly CampaignState[] = ['new', 'ready', 'paused'];
export const RESUMABLE: readonly CampaignState[] = ['paused', 'broken'];
