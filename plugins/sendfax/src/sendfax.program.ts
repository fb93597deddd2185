import { type AttemptReport, defineProgram, resourceId, type Scheme, type Verdict, z } from '@ictcore/contract';

/** `document_id` names a stored document (API section 4.2, guide line S49). It may get its pages later, before a send. */
export const sendfaxParameters = z.object({ document_id: resourceId('document') });

/** What `POST /programs/sendfax` takes. */
export type SendfaxParameters = z.output<typeof sendfaxParameters>;

/** Program `sendfax`: the pages that a document has when it is sent, to one fax number. */
export const sendfax = defineProgram<SendfaxParameters>({
  type: 'sendfax',
  channel: 'fax',
  direction: 'outbound',
  description: 'Sends a document as a fax to a contact',
  parameters: sendfaxParameters,
  scheme,
  judge,
});

function scheme(parameters: SendfaxParameters): Scheme {
  return {
    start: 'originate',
    steps: {
      originate: { use: 'originate', with: {}, on: { success: 'send' } },
      send: { use: 'fax_send', with: { document_id: parameters.document_id }, on: { default: 'disconnect' } },
      disconnect: { use: 'disconnect', with: {} },
    },
  };
}

/**
 * API section 3.5: a call that was answered is no fax that arrived. Completed is one whose attempt completed, of which
 * no step and no fact speaks of an error, and of which at least one page is known to have gone over.
 */
function judge(attempt: AttemptReport): Verdict {
  if (attempt.status === 'failed') return failure(attempt, attempt.response);
  const error = attempt.facts.find((fact) => fact.type === 'error');
  if (error) return failure(attempt, attempt.response || error.data || error.name);
  const step = attempt.facts.find((fact) => fact.type === 'application' && fact.name === 'fax_send');
  if (step && step.data !== 'success') return failure(attempt, attempt.response || `fax_send: ${step.data}`);
  if (pagesOf(attempt) > 0) return { verdict: 'completed' };
  return failure(attempt, 'no page was confirmed');
}

/** Pages that went over, as the carrier counts them; 0 where it does not say. */
function pagesOf(attempt: AttemptReport): number {
  const told = attempt.facts.find((fact) => fact.type === 'info' && fact.name === 'pages')?.data ?? '';
  return /^\d{1,9}$/.test(told) ? Number(told) : 0;
}

function failure(attempt: AttemptReport, response: string): Verdict {
  return { verdict: 'failed', reason: attempt.reason ?? 'unknown', response };
}
