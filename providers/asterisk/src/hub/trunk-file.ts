import type { AmiLink } from '../ami/ami-link';
import { type ExtensionConfig, type TrunkConfig, wizardConfig } from '../config/trunks';
import { writeAtomic } from '../config/write-atomic';
import type { AsteriskSite } from './site';

/** Changes within this time go into one reload: at boot all providers open at once. */
const COALESCE_MS = 50;
/** Removing 500 trunks at once took 8.6 s. */
const RELOAD_TIMEOUT_MS = 30_000;

/** The trunks and phones of one Asterisk: writes its file and reloads, one change at a time. */
export class TrunkFile {
  private readonly trunks = new Map<string, TrunkConfig>();
  private extensions: readonly ExtensionConfig[] = [];
  private pending: Promise<void> | undefined;
  private running: Promise<void> = Promise.resolve();

  constructor(
    private readonly site: AsteriskSite,
    private readonly ami: AmiLink,
  ) {}

  /** Adds or replaces a trunk. Throws UnwritableValueError if it cannot be written; nothing is changed then. */
  async set(trunk: TrunkConfig): Promise<void> {
    wizardConfig([trunk], [], this.site.sip);
    this.trunks.set(trunk.name, trunk);
    await this.apply();
  }

  /** Removes a trunk; its registration is withdrawn, calls that are up go on. */
  async remove(name: string): Promise<void> {
    if (this.trunks.delete(name)) await this.apply();
  }

  /** Replaces all phones. */
  async setExtensions(extensions: readonly ExtensionConfig[]): Promise<void> {
    wizardConfig([], extensions, this.site.sip);
    this.extensions = [...extensions];
    await this.apply();
  }

  /** Writes the file without a reload: before Asterisk starts. */
  async write(): Promise<boolean> {
    return writeAtomic(this.site.wizardFile, wizardConfig([...this.trunks.values()], this.extensions, this.site.sip));
  }

  /** Writes and reloads; resolves when Asterisk works by the file, or at once while the link is down. */
  apply(): Promise<void> {
    this.pending ??= new Promise((resolve, reject) => {
      setTimeout(() => {
        this.pending = undefined;
        this.running = this.running.catch(() => undefined).then(() => this.reload());
        this.running.then(resolve, reject);
      }, COALESCE_MS);
    });
    return this.pending;
  }

  /** Called when the link is up again: what was written meanwhile takes effect. */
  private async reload(): Promise<void> {
    await this.write();
    if (!this.ami.isReady) return;
    await this.ami.send({ action: 'Reload', Module: 'res_pjsip.so' }, { timeoutMs: RELOAD_TIMEOUT_MS });
  }
}
