import { createPublicKey } from 'node:crypto';
import express, { type Request, type Response } from 'express';
import passport from 'passport';
import { ExtractJwt, Strategy } from 'passport-jwt';
import { Pool } from 'pg';

/**
 * The peer of http-contacts, run as a process of its own: the least that express 5 can do for the same two requests.
 * A token check (RS256, KeyObject) and one prepared query; no validation, no permissions, no ownership, no headers.
 */
const { BENCH_PORT, BENCH_DATABASE_URL, BENCH_PUBLIC_KEY } = process.env;

const pool = new Pool({ connectionString: BENCH_DATABASE_URL, max: 10 });
passport.use(
  new Strategy(
    {
      jwtFromRequest: ExtractJwt.fromAuthHeaderAsBearerToken(),
      // The types lag behind: a KeyObject is what the library is fastest with.
      secretOrKey: createPublicKey(BENCH_PUBLIC_KEY ?? '') as unknown as string,
      algorithms: ['RS256'],
    },
    (claims: object, done) => done(null, claims),
  ),
);

const SELECT = `select contact_id, first_name, last_name, phone, email, address, custom1, custom2, custom3, description,
  created_by, extract(epoch from date_created)::int8 as date_created from contact where contact_id = $1`;
const INSERT = `insert into contact (first_name, last_name, phone, phone_normalized, email, created_by)
  values ($1, $2, $3, $3, $4, 1) returning contact_id`;

const app = express();
const authenticated = passport.authenticate('jwt', { session: false });
app.get('/health', (_request: Request, response: Response) => {
  response.json({ status: 'ok' });
});
app.get('/contacts/:id', authenticated, async (request: Request, response: Response) => {
  const { rows } = await pool.query({ name: 'read', text: SELECT, values: [Number(request.params.id)] });
  response.json(rows[0]);
});
app.post('/contacts', authenticated, express.json(), async (request: Request, response: Response) => {
  const { first_name, last_name, phone, email } = request.body as Record<string, string>;
  const { rows } = await pool.query({ name: 'create', text: INSERT, values: [first_name, last_name, phone, email] });
  response.json((rows[0] as { contact_id: string }).contact_id);
});
app.listen(Number(BENCH_PORT), '127.0.0.1');
