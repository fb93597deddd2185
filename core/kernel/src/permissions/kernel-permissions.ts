/** A permission and what it is for. */
export interface PermissionText {
  name: string;
  description: string;
}

const VERBS: Readonly<Record<string, string>> = {
  create: 'Create',
  list: 'List',
  read: 'Read',
  update: 'Change',
  delete: 'Delete',
};
const CRUD = ['create', 'list', 'read', 'update', 'delete'] as const;

/** Further verbs with the words that describe them. */
const OTHER_VERBS: Readonly<Record<string, string>> = {
  execute: 'Run',
  send: 'Send',
  start: 'Start',
  stop: 'Stop',
  write: 'Write',
  password: 'Change the password of',
  access: 'Use',
};

/** Resource → its verbs; `admin` is the right to everybody's rows. The list of API section 5.2 in our form. */
const RESOURCES: Readonly<Record<string, readonly string[]>> = {
  api: ['access'],
  statistic: ['read', 'admin'],
  configuration: ['read', 'write'],
  program: [...CRUD, 'execute', 'admin'],
  transmission: [...CRUD, 'send', 'admin'],
  task: [...CRUD, 'admin'],
  spool: ['list', 'read', 'admin'],
  result: ['list', 'read', 'admin'],
  provider: [...CRUD, 'admin'],
  contact: [...CRUD, 'admin'],
  group: [...CRUD, 'admin'],
  account: [...CRUD, 'admin'],
  user: [...CRUD, 'password', 'admin'],
  role: [...CRUD, 'admin'],
  permission: [...CRUD],
  campaign: [...CRUD, 'start', 'stop', 'admin'],
  document: [...CRUD, 'admin'],
  recording: [...CRUD, 'admin'],
  template: [...CRUD, 'admin'],
  text: [...CRUD, 'admin'],
};

/** The kernel's permissions: `<resource>` grants every `<resource>_*` but `<resource>_admin`. */
export const KERNEL_PERMISSIONS: readonly PermissionText[] = Object.entries(RESOURCES).flatMap(([resource, verbs]) => [
  { name: resource, description: `Everything about one's own: ${resource}` },
  ...verbs.map((verb) => ({ name: `${resource}_${verb}`, description: describe(resource, verb) })),
]);

function describe(resource: string, verb: string): string {
  return verb === 'admin'
    ? `See and manage everybody's: ${resource}`
    : `${VERBS[verb] ?? OTHER_VERBS[verb]}: ${resource}`;
}

/** The name of the built-in role of ordinary users, which every new user gets unless told otherwise. */
export const USER_ROLE = 'user';
/** The name of the built-in role of administrators; at least one active user always has it. */
export const ADMIN_ROLE = 'admin';

/**
 * What the built-in role `user` holds (API section 5.3). It gets nothing of plugins: whether everybody may use what a
 * plugin brings is for an administrator to say. Programs of plugins need no more than `program_create`.
 */
export const USER_ROLE_PERMISSIONS: readonly string[] = [
  'api',
  'statistic_read',
  'configuration_read',
  'user_read',
  'user_password',
  'account_read',
  'account_update',
  'account_list',
  'contact',
  'group',
  'document',
  'recording',
  'template',
  'text',
  'program',
  'transmission',
  'campaign',
  'task',
  'spool',
  'result',
];

const ADMIN_ROLE_PERMISSIONS: readonly string[] = [
  'api',
  'statistic',
  'configuration',
  'user',
  'role',
  'permission',
  'account',
  'provider',
];

/** Without these nobody could give anybody anything back: the role `admin` keeps them. */
export const ADMIN_ROLE_ESSENTIALS: readonly string[] = ['user', 'role', 'permission'];

const KERNEL_NAMES: ReadonlySet<string> = new Set(KERNEL_PERMISSIONS.map((permission) => permission.name));

/** True if the built-in role `admin` holds this: administration, every `*_admin`, and whatever plugins bring. */
export function isAdminRolePermission(name: string): boolean {
  return ADMIN_ROLE_PERMISSIONS.includes(name) || name.endsWith('_admin') || !KERNEL_NAMES.has(name);
}
