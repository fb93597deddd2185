import { IctError, type ServiceToken } from '@ictcore/contract';
import { Lifecycle, scoped } from 'tsyringe';
import type { Tx } from '../database/database';

/** Finds services by token; the kernel sets where plugins' own services are found. */
@scoped(Lifecycle.ContainerScoped)
export class Services {
  private readonly transactional = new Map<string, (tx: Tx) => unknown>();
  /** Where services that know nothing of transactions are found: the plugin host. */
  find: <T>(token: ServiceToken<T>) => T = (token) => {
    throw new IctError(`Nobody offers the service ${token.name}`, { code: 'SERVICE_UNKNOWN' });
  };

  /** Offers a service that works within a caller's transaction. */
  addTransactional<T>(token: ServiceToken<T>, make: (tx: Tx) => T): void {
    this.transactional.set(token.name, make);
  }

  /** A service bound to a transaction where it can be, otherwise the plain one. */
  within<T>(tx: Tx, token: ServiceToken<T>): T {
    const make = this.transactional.get(token.name);
    return make ? (make(tx) as T) : this.find(token);
  }
}
