import { type Actor, invalid } from '@ictcore/contract';
import { inject, Lifecycle, scoped } from 'tsyringe';
import type { z } from 'zod';
import { Catalog } from '../boot/catalog';
import { Database } from '../database/database';
import { fromZod } from '../http/error-reply';
import { ProgramService } from '../programs';
import { Engine } from '../queue/engine';
import { type TransmissionParts, transmissionParts } from './transmission.schema';
import { TransmissionService } from './transmission.service';

interface Body {
  program_data?: Record<string, unknown> | undefined;
  transmission_data?: Record<string, unknown> | undefined;
  [field: string]: unknown;
}

/** S41: a number reuses that program, a type makes a new one of `program_data` (API section 10, Q7). */
@scoped(Lifecycle.ContainerScoped)
export class ProgramTransmissions {
  constructor(
    @inject(Database) private readonly database: Database,
    @inject(Catalog) private readonly catalog: Catalog,
    @inject(ProgramService) private readonly programs: ProgramService,
    @inject(TransmissionService) private readonly transmissions: TransmissionService,
    @inject(Engine) private readonly engine: Engine,
  ) {}

  async create(actor: Actor, program: string, body: Body): Promise<number> {
    const { program_data, transmission_data, ...flat } = body;
    const parts = this.partsOf(transmission_data ?? flat);
    const id = await this.database.transaction(async (tx) => {
      const programId = /^\d+$/.test(program)
        ? await this.existing(actor, Number(program), program_data)
        : await this.programs.createIn(actor, this.typeNamed(program), program_data ?? {}, tx);
      return this.transmissions.createIn(actor, { ...parts, program_id: programId }, tx);
    });
    if (parts.send) this.engine.wake();
    return id;
  }

  /** 404 unless the actor may see the program. */
  async requireProgram(actor: Actor, id: number): Promise<void> {
    await this.programs.repository.get(actor, id);
  }

  private async existing(actor: Actor, id: number, programData: unknown): Promise<number> {
    await this.requireProgram(actor, id);
    if (programData !== undefined) {
      throw invalid(
        'program_data',
        'goes with a program type in the path; this program has its parameters already',
        'forbidden',
      );
    }
    return id;
  }

  private typeNamed(type: string): string {
    if (this.catalog.program(type)) return type;
    return this.programs.refuseType(type);
  }

  private partsOf(given: Readonly<Record<string, unknown>>): TransmissionParts {
    const result = transmissionParts.safeParse(given);
    if (result.success) return result.data;
    throw fromZod(result.error as z.ZodError, 412, 'transmission_data');
  }
}
