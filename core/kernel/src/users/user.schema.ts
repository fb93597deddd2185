import { z } from '@ictcore/contract';
import { columns, type ResourceSpec, unixTime } from '../database/resource';
import { flag, nullableInt, nullablePhone, nullableText, requiredEmail, requiredText } from '../http/fields';
import { newPassword } from './passwords';

const ROLES = `
(select coalesce(jsonb_agg(jsonb_build_object('role_id', r.role_id, 'name', r.name) order by r.role_id), '[]')
   from user_role ur join role r on r.role_id = ur.role_id where ur.user_id = t.user_id)`;

const DIRECT = `
array(select p.name from user_permission up join permission p on p.permission_id = up.permission_id
       where up.user_id = t.user_id order by p.name)`;

const EFFECTIVE = `
array(select p.name from user_permission up join permission p on p.permission_id = up.permission_id
       where up.user_id = t.user_id
      union
      select p.name from user_role ur join role_permission rp on rp.role_id = ur.role_id
        join permission p on p.permission_id = rp.permission_id where ur.user_id = t.user_id
       order by 1)`;

const LISTED = {
  ...columns('user_id', 'username', 'first_name', 'last_name', 'phone', 'email', 'active'),
  roles: ROLES,
};

/** User, API section 1.14. Who may see whom is for UserService to say: self, or who may list users. */
export const userSpec: ResourceSpec = {
  name: 'user',
  title: 'User',
  from: 'usr t',
  key: 'user_id',
  owner: null,
  fields: {
    ...LISTED,
    ...columns('address', 'company', 'country_id', 'language_id', 'timezone_id'),
    permissions: EFFECTIVE,
    direct_permissions: DIRECT,
    owner_id: 't.created_by',
    date_created: unixTime('t.date_created'),
    last_updated: unixTime('t.last_updated'),
  },
  listFields: Object.keys(LISTED),
  filters: {
    user_id: { kind: 'exact', value: 'int', sql: 't.user_id' },
    username: { kind: 'exact', value: 'folded', sql: 'lower(t.username)' },
    phone: { kind: 'exact', value: 'text', sql: 't.phone' },
    email: { kind: 'exact', value: 'folded', sql: 'lower(t.email)' },
    first_name: { kind: 'exact', value: 'text', sql: 't.first_name' },
    last_name: { kind: 'exact', value: 'text', sql: 't.last_name' },
    active: { kind: 'flag', sql: 't.active' },
  },
  sortable: ['username', 'first_name', 'last_name', 'email'],
  search: ['t.username', 't.first_name', 't.last_name', 't.phone', 't.email'],
};

const fields = {
  first_name: nullableText(128).optional(),
  last_name: nullableText(128).optional(),
  phone: nullablePhone(32).optional(),
  address: nullableText(128).optional(),
  company: nullableText(128).optional(),
  country_id: nullableInt(0, 999).optional().describe('UN M49 number'),
  language_id: nullableText(2).optional().describe('ISO 639-1'),
  timezone_id: nullableInt(-86_400, 86_400).optional().describe('Offset from UTC in seconds'),
  active: flag().optional(),
  passwd: newPassword().optional().describe('As password'),
};

const username = requiredText(64)
  .transform((value) => value.trim())
  .pipe(
    z
      .string()
      .regex(/^[^\s:\p{Cc}]+$/u, 'must not contain white space, colons (RFC 7617) or control characters')
      .regex(/[^0-9]/, 'must not be a number: at login a number is a user id'),
  );

/** Body of S84. */
export const userCreate = z
  .object({
    ...fields,
    username,
    email: requiredEmail(128),
    password: newPassword().optional(),
    roles: z
      .array(z.union([z.int(), z.string().min(1).max(255)]).transform(String))
      .max(50)
      .optional()
      .describe('Ids or names; default: user'),
  })
  .refine((user) => (user.password ?? user.passwd) !== undefined, { path: ['password'], message: 'is required' })
  .meta({ id: 'UserCreate' });
export type UserCreate = z.infer<typeof userCreate>;

/** Body of S87; absent fields stay as they are. */
export const userUpdate = z
  .object({ ...fields, email: requiredEmail(128).optional(), password: newPassword().optional() })
  .meta({ id: 'UserUpdate' });
export type UserUpdate = z.infer<typeof userUpdate>;

/** Body of `PUT users/{id}/password`. */
export const passwordChange = z
  .object({
    password: newPassword(),
    current_password: z.string().max(1024).optional().describe('Needed for one’s own'),
  })
  .meta({ id: 'PasswordChange' });
export type PasswordChange = z.infer<typeof passwordChange>;

const shown = z.string().nullable();
const roleRef = z.object({ role_id: z.int(), name: z.string() });

/** A row of the list of users. */
export const userRow = z
  .object({
    user_id: z.int(),
    username: z.string(),
    first_name: shown,
    last_name: shown,
    phone: shown,
    email: z.string(),
    active: z.int(),
    roles: z.array(roleRef),
  })
  .meta({ id: 'UserRow' });

/** A user as read. */
export const userRead = userRow
  .extend({
    address: shown,
    company: shown,
    country_id: z.int().nullable(),
    language_id: shown,
    timezone_id: z.int().nullable(),
    permissions: z.array(z.string()).describe('Effective: of the roles and direct ones'),
    direct_permissions: z.array(z.string()),
    owner_id: z.int().nullable(),
    date_created: z.int().describe('Unix seconds'),
    last_updated: z.int().nullable().describe('Unix seconds'),
  })
  .meta({ id: 'User' });
export type UserRead = z.infer<typeof userRead>;

/** Body of `POST authenticate`. */
export const authenticateBody = z
  .object({
    username: requiredText(255).optional().describe('User name, e-mail or user id'),
    email: requiredText(255).optional(),
    user_id: z.preprocess((value) => (typeof value === 'string' ? Number(value) : value), z.int()).optional(),
    password: z.string({ error: 'is required' }).max(1024),
  })
  .refine((body) => body.username ?? body.email ?? body.user_id, {
    path: ['username'],
    message: 'give username, email or user_id',
  })
  .meta({ id: 'Credentials' });
export type AuthenticateBody = z.infer<typeof authenticateBody>;

/** Reply of `POST authenticate`: the user and his token. */
export const authenticateReply = userRead
  .extend({
    token: z.string(),
    access_token: z.string().describe('As token'),
    token_type: z.literal('Bearer'),
    expires_in: z.int().describe('Seconds'),
    scope: z.literal('All'),
  })
  .meta({ id: 'Login' });
