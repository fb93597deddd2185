import { type AnyRoute, AUTHENTICATED, defineRoute, PUBLIC } from '@ictcore/contract';
import { done } from '../http/crud-routes';
import type { IdentityService } from './identity.service';
import type { Login } from './login.service';
import { type AuthenticateBody, authenticateBody, authenticateReply } from './user.schema';
import type { UserService } from './user.service';

/** `POST authenticate` and `POST authenticate/cancel` (API section 5.1). */
export function authenticateRoutes(identity: IdentityService, users: UserService): AnyRoute[] {
  return [
    defineRoute({
      method: 'post',
      path: '/authenticate',
      permission: PUBLIC,
      summary: 'Log in: a token for a user name and password',
      body: authenticateBody,
      response: authenticateReply,
      errors: { 401: 'Wrong user or password', 429: 'Five failed logins of this user from this address in 15 minutes' },
      async handler({ body, ip, path }) {
        const { actor, token, expiresIn } = await identity.login(loginOf(body), body.password, ip, path);
        const user = await users.get(actor, actor.userId);
        return {
          ...user,
          token,
          access_token: token,
          token_type: 'Bearer' as const,
          expires_in: expiresIn,
          scope: 'All' as const,
        };
      },
    }),
    defineRoute({
      method: 'post',
      path: '/authenticate/cancel',
      permission: AUTHENTICATED,
      summary: 'Log out: the token of this request is void from now on',
      description: 'With user name and password there is nothing to void.',
      response: done,
      async handler({ actor }) {
        await identity.cancel(actor);
        return true as const;
      },
    }),
  ];
}

function loginOf(body: AuthenticateBody): Login {
  if (body.username !== undefined) return { name: body.username };
  return body.email !== undefined ? { email: body.email } : { userId: body.user_id as number };
}
