import { type Actor, notFound } from '@ictcore/contract';
import { inject, Lifecycle, scoped } from 'tsyringe';
import { AccountService } from './account.service';

/** Settings of accounts, one by one, for `accounts/{id}/settings/{name}`. */
@scoped(Lifecycle.ContainerScoped)
export class AccountSettings {
  constructor(@inject(AccountService) private readonly accounts: AccountService) {}

  /** The stored value; 404 if it is not set. */
  async read(actor: Actor, accountId: number, name: string): Promise<unknown> {
    const { settings } = await this.accounts.get(actor, accountId);
    if (!Object.hasOwn(settings, name)) throw notFound(`Setting ${name}`);
    return settings[name];
  }

  /** Sets it; 412 if the plugin that declared it does not take the value. */
  async write(actor: Actor, accountId: number, name: string, value: unknown): Promise<void> {
    await this.accounts.update(actor, accountId, { settings: { [name]: value } });
  }

  /** Removes it, if it is there. */
  async remove(actor: Actor, accountId: number, name: string): Promise<void> {
    await this.accounts.update(actor, accountId, { settings: { [name]: null } });
  }
}
