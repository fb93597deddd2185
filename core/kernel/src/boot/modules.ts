import type { ModelCtor } from 'sequelize-typescript';
import { Account, accountsModule } from '../accounts';
import { Campaign, campaignsModule } from '../campaigns';
import { Contact, contactsModule } from '../contacts';
import { ContactDnc, dncModule } from '../dnc';
import { Group, groupsModule } from '../groups';
import { InboundUnmatched, inboundModule } from '../inbound';
import { Document, messagesModule, Recording, Template, Text } from '../messages';
import { Permission, permissionsModule } from '../permissions';
import { ProgramRow, programsModule } from '../programs';
import { Provider, providersModule } from '../providers';
import { Role, rolesModule } from '../roles';
import { schedulesModule, Task } from '../schedules';
import { statisticsModule } from '../statistics';
import { Spool, SpoolResult, Transmission, transmissionsModule } from '../transmissions';
import { User, usersModule } from '../users';
import type { KernelModule } from './injection';

/** The kernel's nouns, in the order in which they register. */
export const MODULES: readonly KernelModule[] = [
  usersModule,
  rolesModule,
  permissionsModule,
  accountsModule,
  contactsModule,
  groupsModule,
  messagesModule,
  providersModule,
  programsModule,
  transmissionsModule,
  dncModule,
  inboundModule,
  campaignsModule,
  schedulesModule,
  statisticsModule,
];

/** Sequelize's models of all of them. */
export const MODELS: ModelCtor[] = [
  User,
  Role,
  Permission,
  Account,
  Contact,
  Group,
  Template,
  Text,
  Document,
  Recording,
  Provider,
  ProgramRow,
  Transmission,
  Spool,
  SpoolResult,
  ContactDnc,
  InboundUnmatched,
  Campaign,
  Task,
];
