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
  /** By name; the last one that was set is the one in the file. A test of a provider opens it a second time. */
  private readonly trunks = new Map<string, { owner: object; trunk: TrunkConfig }[]>();
  private extensions: readonly ExtensionConfig[] = [];
  private pending: Promise<void> | undefined;
  private running: Promise<void> = Promise.resolve();

  constructor(
    private readonly site: AsteriskSite,
    private readonly ami: AmiLink,
  ) {}

  /**
   * Adds a trunk, or replaces the one this owner has set.
   *
   * @throws UnwritableValueError if it cannot be written; nothing is changed then
   */
  async set(owner: object, trunk: TrunkConfig): Promise<void> {
    wizardConfig([trunk], [], this.site.sip);
    const others = (this.trunks.get(trunk.name) ?? []).filter((each) => each.owner !== owner);
    this.trunks.set(trunk.name, [...others, { owner, trunk }]);
    await this.apply();
  }

  /** Removes an owner's trunk. With its last owner its registration is withdrawn; calls that are up go on. */
  async remove(owner: object, name: string): Promise<void> {
    const before = this.trunks.get(name) ?? [];
    const others = before.filter((each) => each.owner !== owner);
    if (others.length === before.length) return;
    if (others.length > 0) this.trunks.set(name, others);
    else this.trunks.delete(name);
    await this.apply();
  }

  /** Replaces all phones. */
  async setExtensions(extensions: readonly ExtensionConfig[]): Promise<void> {
    wizardConfig([], extensions, this.site.sip);
    this.extensions = [...extensions];
    await this.apply();
  }

  /** Writes the file without a reload: before Asterisk starts. */
  async write(): Promise<boolean> {
    const trunks = [...this.trunks.values()].flatMap((owners) => owners.slice(-1).map(({ trunk }) => trunk));
    return writeAtomic(this.site.wizardFile, wizardConfig(trunks, this.extensions, this.site.sip));
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
