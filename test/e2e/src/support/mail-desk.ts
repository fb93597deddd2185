import type { ApiClient } from './api-client';
import { eventually } from './running-server';

/** A file to attach. */
export interface Attachment {
  name: string;
  mediaType: string;
  bytes: Buffer;
}

/** What to send to whom; everything but the address has a default. */
export interface Letter {
  to: string;
  subject?: string;
  body?: string;
  bodyAlt?: string;
  firstName?: string;
  lastName?: string;
  custom1?: string;
  attachments?: readonly Attachment[];
  tryAllowed?: number;
  /** Seconds. */
  retryDelay?: number;
}

/** An attempt as `GET /transmissions/{id}/detail` shows it. */
export interface ShownSpool {
  spool_id: number;
  attempt: number;
  status: string;
  response: string;
  reason: string | null;
  call_id: string | null;
  amount: number;
  provider_id: number | null;
  time_spool: number | null;
  time_start: number | null;
  time_connect: number | null;
  time_end: number | null;
}

/** A transmission as `GET /transmissions/{id}` shows it. */
export interface ShownTransmission {
  transmission_id: number;
  status: string;
  response: string;
  try_done: number;
  next_run: number | null;
  last_run: number | null;
  program_type: string;
  contact_email: string;
  account_email: string;
}

/** A transmission with its attempts. */
export interface Report {
  transmission: ShownTransmission;
  spools: ShownSpool[];
}

const FINAL = ['completed', 'failed', 'invalid'];

/** Sends mail as a user's program would: contact, template, program, transmission, over HTTP. */
export class MailDesk {
  /**
   * @param base what goes before each path: empty for below `/api`, or the server's URL for the same paths at the root
   */
  constructor(
    readonly client: ApiClient,
    private readonly base = '',
  ) {}

  /** Makes everything that a letter needs and answers the transmission's id; nothing is sent yet. */
  async prepare(letter: Letter): Promise<number> {
    const contactId = await this.client.post(`${this.base}/contacts`, {
      email: letter.to,
      first_name: letter.firstName ?? 'Test',
      last_name: letter.lastName ?? '',
      ...(letter.custom1 !== undefined && { custom1: letter.custom1 }),
    });
    const templateId = await this.client.post(`${this.base}/templates`, {
      name: 'letter',
      subject: letter.subject ?? 'Hello',
      body: letter.body ?? '<p>Hello</p>',
      ...(letter.bodyAlt !== undefined && { body_alt: letter.bodyAlt }),
    });
    for (const attachment of letter.attachments ?? []) await this.attach(templateId, attachment);
    const programId = await this.client.post(`${this.base}/programs/sendemail`, { template_id: templateId });
    return this.client.post(`${this.base}/transmissions`, {
      program_id: programId,
      contact_id: contactId,
      ...(letter.tryAllowed !== undefined && { try_allowed: letter.tryAllowed }),
      ...(letter.retryDelay !== undefined && { retry_delay: letter.retryDelay }),
    });
  }

  /** Appends a file, as raw bytes with its name in Content-Disposition. */
  async attach(templateId: number, { name, mediaType, bytes }: Attachment, method = 'POST'): Promise<void> {
    const reply = await this.client.request(method, `${this.base}/templates/${templateId}/media`, bytes, {
      'Content-Type': mediaType,
      'Content-Disposition': `attachment; filename*=UTF-8''${encodeURIComponent(name)}`,
    });
    if (reply.status !== 200) throw new Error(`attaching ${name}: ${reply.status} ${reply.text}`);
  }

  /** Begins an attempt and answers its spool id. */
  send(transmissionId: number): Promise<number> {
    return this.client.post(`${this.base}/transmissions/${transmissionId}/send`);
  }

  /** Makes, sends, and waits for the end. */
  async deliver(letter: Letter): Promise<Report> {
    const id = await this.prepare(letter);
    await this.send(id);
    return this.ended(id);
  }

  /** Waits until the transmission has come to its end, and answers it with its attempts. */
  async ended(transmissionId: number, timeoutMs = 20_000): Promise<Report> {
    await this.reached(transmissionId, FINAL, timeoutMs);
    return this.report(transmissionId);
  }

  /** Waits until the status is one of these. */
  reached(transmissionId: number, statuses: readonly string[], timeoutMs = 20_000): Promise<string> {
    return eventually(
      () => this.client.get<string>(`${this.base}/transmissions/${transmissionId}/status`),
      (status) => statuses.includes(status),
      timeoutMs,
    );
  }

  /** The transmission and its attempts as they are now. */
  async report(transmissionId: number): Promise<Report> {
    const at = `${this.base}/transmissions/${transmissionId}`;
    return {
      transmission: await this.client.get<ShownTransmission>(at),
      spools: await this.client.get<ShownSpool[]>(`${at}/detail`),
    };
  }
}

/** The SMTP providers of one server, one set at a time. */
export class SmtpProviders {
  private made = 0;

  constructor(private readonly admin: ApiClient) {}

  /** Replaces all SMTP providers by these and answers their ids; lower weight is used first. */
  async use(...rows: readonly Record<string, unknown>[]): Promise<number[]> {
    for (const { provider_id } of await this.admin.get<{ provider_id: number }[]>('/providers?type=smtp')) {
      await this.admin.delete(`/providers/${provider_id}?force=1`);
    }
    const ids: number[] = [];
    for (const row of rows) ids.push(await this.add(row));
    return ids;
  }

  /** Adds one; without TLS unless its settings say otherwise. */
  add(row: Record<string, unknown>): Promise<number> {
    this.made += 1;
    return this.admin.post('/providers', {
      type: 'smtp',
      name: `smtp-${this.made}`,
      ...row,
      settings: { encryption: 'none', ...(row.settings as object | undefined) },
    });
  }
}
