import type { Logger } from '@ictcore/contract';
import { type BindCommand, COMMAND, ESME, type Pdu, statusText } from '../pdu';
import { Connection, type ConnectionHandler, type ConnectionTimes } from './connection';
import { LinkError } from './link-error';
import { type Endpoint, openSocket } from './socket';

/** How a client binds. */
export type BindMode = 'transceiver' | 'transmitter' | 'receiver';

/** What a bind says. */
export interface Login {
  systemId: string;
  password: string;
  systemType: string;
  addrTon: number;
  addrNpi: number;
  addressRange: string;
}

/** Everything needed for a link. */
export interface LinkOptions extends Endpoint, ConnectionTimes {
  login: Login;
}

const COMMAND_OF: Readonly<Record<BindMode, BindCommand>> = {
  transceiver: COMMAND.bind_transceiver,
  transmitter: COMMAND.bind_transmitter,
  receiver: COMMAND.bind_receiver,
};
const SMPP_34 = 0x34;

/**
 * Connects and binds.
 *
 * @throws LinkError with problem `login` and the status if the peer refuses the bind; `closed`, `timeout` or `aborted`
 * otherwise. Nothing is left open then.
 */
export async function bind(
  options: LinkOptions,
  mode: BindMode,
  handler: ConnectionHandler,
  log: Logger,
  signal: AbortSignal,
): Promise<{ connection: Connection; systemId: string }> {
  const problem = loginProblem(options.login);
  if (problem !== undefined) throw new LinkError('login', false, problem);
  const socket = await openSocket(options, signal);
  const connection = new Connection(socket, options, handler, log);
  const abort = () => connection.close('given up while binding');
  signal.addEventListener('abort', abort, { once: true });
  try {
    const body = { ...options.login, interfaceVersion: SMPP_34 };
    const answer: Pdu = await connection.request({ command: COMMAND_OF[mode], body });
    if (answer.status !== ESME.ROK) {
      throw new LinkError('login', false, `bind_${mode} refused: ${statusText(answer.status)}`, answer.status);
    }
    return { connection, systemId: answer.body && 'systemId' in answer.body ? answer.body.systemId : '' };
  } catch (error) {
    connection.close('not bound');
    throw error;
  } finally {
    signal.removeEventListener('abort', abort);
  }
}

/** What of a login SMPP cannot carry (3.4 sections 5.2.1 to 5.2.3); undefined if nothing. */
export function loginProblem({ systemId, password }: Login): string | undefined {
  const carried = (text: string, max: number) => text.length <= max && /^[ -\xff]*$/.test(text);
  if (!carried(systemId, 15)) return 'the user name has more than the 15 characters that SMPP 3.4 carries, or odd ones';
  if (!carried(password, 8)) return 'the password has more than the 8 characters that SMPP 3.4 carries, or odd ones';
  return undefined;
}
