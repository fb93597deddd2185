import { inject, Lifecycle, scoped } from 'tsyringe';
import { SecretBox } from '../boot/secrets';

/** A provider's secrets in clear: the password column and the settings marked `secret()`. */
export interface OpenSecrets {
  password?: string;
  settings?: Record<string, string>;
}

/** Seals and opens the `secrets` column of providers. */
@scoped(Lifecycle.ContainerScoped)
export class ProviderSecrets {
  constructor(@inject(SecretBox) private readonly box: SecretBox) {}

  seal(providerId: number, secrets: OpenSecrets): string | null {
    const empty = !secrets.password && Object.keys(secrets.settings ?? {}).length === 0;
    return empty ? null : this.box.seal(`provider:${providerId}`, JSON.stringify(secrets));
  }

  open(providerId: number, sealed: string | null): OpenSecrets {
    return sealed === null ? {} : (JSON.parse(this.box.open(`provider:${providerId}`, sealed)) as OpenSecrets);
  }
}
