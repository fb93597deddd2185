import { Lifecycle, scoped } from 'tsyringe';
import type { Tx } from '../database/database';

/**
 * What others have to say about the life of a group. Campaigns know which groups they are working through: their
 * module sets this at its setup.
 */
@scoped(Lifecycle.ContainerScoped)
export class GroupHooks {
  /** Throws 423 while something live (a running campaign) uses the group. The group's row is locked meanwhile. */
  refuseWhileUsed: (groupId: number, tx: Tx) => Promise<void> = async () => undefined;
}
