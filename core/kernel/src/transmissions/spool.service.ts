import type { Actor } from '@ictcore/contract';
import { inject, Lifecycle, scoped } from 'tsyringe';
import { Database } from '../database/database';
import type { ListQuery } from '../database/list-query';
import { OwnedRepository, type Page } from '../database/owned-repository';
import { Spool, SpoolResult } from './spool.model';
import { type ResultRow, resultSpec, type SpoolRow, spoolSpec } from './spool.schema';
import { TransmissionService } from './transmission.service';

/** Attempts and their facts: guide lines S69 to S73. They are visible to whoever sees the transmission. */
@scoped(Lifecycle.ContainerScoped)
export class SpoolService {
  readonly spools: OwnedRepository<SpoolRow>;
  readonly results: OwnedRepository<ResultRow>;

  constructor(
    @inject(Database) database: Database,
    @inject(TransmissionService) private readonly transmissions: TransmissionService,
  ) {
    this.spools = new OwnedRepository(database, spoolSpec, database.sequelize.getRepository(Spool));
    this.results = new OwnedRepository(database, resultSpec, database.sequelize.getRepository(SpoolResult));
  }

  get(actor: Actor, id: number): Promise<SpoolRow> {
    return this.spools.get(actor, id);
  }

  /** S70: the attempts of a transmission, oldest first. */
  async ofTransmission(actor: Actor, transmissionId: number, query: ListQuery): Promise<Page<SpoolRow>> {
    await this.transmissions.get(actor, transmissionId);
    return this.spools.list(actor, query, (conditions) => conditions.add('t.transmission_id = ?', transmissionId));
  }

  /** S71: the facts of the last attempt, or of all; none yet: empty. */
  async resultsOfTransmission(
    actor: Actor,
    transmissionId: number,
    query: ListQuery,
    all: boolean,
  ): Promise<Page<ResultRow>> {
    await this.transmissions.get(actor, transmissionId);
    return this.results.list(actor, query, (conditions) => {
      conditions.add('s.transmission_id = ?', transmissionId);
      if (all) return;
      conditions.add('t.spool_id = (select max(l.spool_id) from spool l where l.transmission_id = ?)', transmissionId);
    });
  }

  /** S73. */
  async resultsOfSpool(actor: Actor, spoolId: number, query: ListQuery): Promise<Page<ResultRow>> {
    await this.spools.get(actor, spoolId);
    return this.results.list(actor, query, (conditions) => conditions.add('t.spool_id = ?', spoolId));
  }
}
