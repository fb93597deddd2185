const microseconds = (sql: string) => `floor(extract(epoch from ${sql}) * 1000000)::int8`;

const PRINCIPAL = `
select u.user_id, u.username, u.email, u.active, u.passwd, ${microseconds('u.tokens_valid_from')} as tokens_valid_from,
       array(select p.name from permission p
              where p.permission_id in (
                select up.permission_id from user_permission up where up.user_id = u.user_id
                union all
                select rp.permission_id from user_role ur join role_permission rp on rp.role_id = ur.role_id
                 where ur.user_id = u.user_id)) as permissions
  from usr u`;

/** A user with his effective permissions, by id. */
export const PRINCIPAL_BY_ID = `${PRINCIPAL} where u.user_id = $1`;

/**
 * A user by what he typed as user name: `$1` as user name or e-mail, or `$2` as e-mail only, or `$3` as id. Should one
 * person's user name be another's e-mail, the user name counts.
 */
export const PRINCIPAL_BY_LOGIN = `${PRINCIPAL}
 where lower(u.username) = lower($1::text) or lower(u.email) = lower(coalesce($1::text, $2::text))
    or u.user_id = $3::int8
 order by (lower(u.username) = lower($1::text)) desc nulls last limit 1`;

/**
 * The moment from which a new token counts, by the database's clock, provided that the user may still log in with the
 * password hash `$2`. Waits for a change of the password that is being committed.
 */
export const LOGIN_MOMENT = `
select ${microseconds('clock_timestamp()')} as moment from usr where user_id = $1 and passwd = $2 and active = 1
   for share`;

/** A row as the statements above give it. */
export interface PrincipalRow {
  user_id: number;
  username: string;
  email: string;
  active: number;
  passwd: string;
  tokens_valid_from: number;
  permissions: string[];
}
