import type { Request } from 'express';
import { BasicStrategy } from 'passport-http';

type Done = (error: unknown, actor?: unknown) => void;

/**
 * passport-http's Basic strategy, except that passwords may contain colons (RFC 7617 section 2): on its own it would
 * cut them at the first. It is given both parts percent-encoded, in which there are no colons.
 */
export class ExactBasicStrategy extends BasicStrategy {
  constructor(verify: (login: string, password: string, request: Request, done: Done) => void) {
    super(
      { passReqToCallback: true as const, realm: 'ICTCore :: REST API Server' } as never,
      ((request: Request, login: string, password: string, done: Done) =>
        verify(decodeURIComponent(login), decodeURIComponent(password), request, done)) as never,
    );
  }

  override authenticate(request: Request, options?: object): void {
    const credentials = readBasic(request.headers.authorization);
    if (!credentials) {
      super.authenticate(request as never, options as never);
      return;
    }
    const encoded = credentials.map(encodeURIComponent).join(':');
    const headers = { ...request.headers, authorization: `Basic ${Buffer.from(encoded).toString('base64')}` };
    super.authenticate(Object.create(request, { headers: { value: headers } }), options as never);
  }
}

/** User name and password of an Authorization header; undefined if it holds none. */
function readBasic(header: string | undefined): [string, string] | undefined {
  const base64 = /^Basic +([A-Za-z0-9+/=_-]+) *$/i.exec(header ?? '')?.[1];
  if (!base64) return undefined;
  const text = Buffer.from(base64, 'base64').toString('utf8');
  const colon = text.indexOf(':');
  return colon < 1 ? undefined : [text.slice(0, colon), text.slice(colon + 1)];
}
