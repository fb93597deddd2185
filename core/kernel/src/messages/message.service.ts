import type { Actor, MessagesService } from '@ictcore/contract';
import { inject, Lifecycle, scoped } from 'tsyringe';
import type { z } from 'zod';
import { Database, type Tx } from '../database/database';
import { fromZod } from '../http/error-reply';
import { TemplateService, templateCreate } from './templates';
import { TextService, textCreate } from './texts';

type Input = Readonly<Record<string, unknown>>;

/** The contract's {@link MessagesService}: input is checked here, since plugins pass on what callers sent. */
@scoped(Lifecycle.ContainerScoped)
export class KernelMessages implements MessagesService {
  constructor(
    @inject(Database) private readonly database: Database,
    @inject(TextService) private readonly texts: TextService,
    @inject(TemplateService) private readonly templates: TemplateService,
  ) {}

  createText(actor: Actor, input: Input): Promise<number> {
    return this.database.transaction((tx) => this.within(tx).createText(actor, input));
  }

  createTemplate(actor: Actor, input: Input): Promise<number> {
    return this.database.transaction((tx) => this.within(tx).createTemplate(actor, input));
  }

  /** The same within a caller's transaction. */
  within(tx: Tx): MessagesService {
    return {
      createText: async (actor, input) => this.texts.createIn(actor, parse(textCreate, input), tx),
      createTemplate: async (actor, input) => this.templates.createIn(actor, parse(templateCreate, input), tx),
    };
  }
}

function parse<S extends z.ZodType>(schema: S, input: Input): z.output<S> {
  const result = schema.safeParse(input);
  if (!result.success) throw fromZod(result.error, 412, 'body');
  return result.data;
}
