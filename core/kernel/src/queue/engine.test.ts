import { accepted, deferred, delivered, failed, refused } from '@ictcore/contract';
import { fakeCarrier, TestKernel } from '../testing/test-kernel';
import { finalEntry, writeEntries } from './recorder';

let kernel: TestKernel;
afterEach(() => kernel.stop());

const one = async (tryAllowed = 1) => (await kernel.transmissions(1, tryAllowed))[0] as number;
const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

describe('one hand-over', () => {
  it('delivered → completed, with the carrier’s words, facts and event', async () => {
    const carrier = fakeCarrier('good', (order) => {
      expect(order).toMatchObject({ channel: 'sms', text: 'Hello Ann', encoding: 'gsm7', segments: 1 });
      return delivered('m-1', { detail: '250 ok', facts: [{ type: 'info', name: 'cost', data: '1' }] });
    });
    kernel = await TestKernel.start({ carriers: [carrier] });
    const id = await one();
    const spoolId = await kernel.send(id);
    expect(await kernel.until(id, 'completed')).toMatchObject({ response: '', try_done: 1 });
    expect(await kernel.spools(id)).toMatchObject([
      { spool_id: spoolId, status: 'completed', response: '250 ok', call_id: 'm-1', provider: 'good' },
    ]);
    const facts = await kernel.database.query('select type, name, data from spool_result where spool_id = $1', [
      spoolId,
    ]);
    expect(facts).toEqual(
      expect.arrayContaining([
        { type: 'info', name: 'cost', data: '1' },
        { type: 'application', name: 'sms_send', data: 'success' },
      ]),
    );
    const events = await kernel.database.query<{ type: string }>('select type from event order by event_id');
    expect(events.map((event) => event.type)).toEqual(['transmission.processing', 'transmission.completed']);
  });

  it('failed → tried again while tries are left, then failed with the words of the last try', async () => {
    let tries = 0;
    kernel = await TestKernel.start({ carriers: [fakeCarrier('busy', () => failed('busy', `USER_BUSY ${++tries}`))] });
    const id = await one(2);
    await kernel.send(id);
    expect(await kernel.until(id, 'failed')).toMatchObject({ response: 'USER_BUSY 2', try_done: 2 });
    expect((await kernel.spools(id)).map((spool) => [spool.status, spool.reason])).toEqual([
      ['failed', 'busy'],
      ['failed', 'busy'],
    ]);
  });

  it('refused → never tried again', async () => {
    kernel = await TestKernel.start({
      carriers: [fakeCarrier('no', () => refused('invalid_destination', '550 no such user'))],
    });
    const id = await one(5);
    await kernel.send(id);
    expect(await kernel.until(id, 'failed')).toMatchObject({ response: '550 no such user', try_done: 1 });
  });

  it('deferred → goes back to the queue and is no try', async () => {
    let asked = 0;
    kernel = await TestKernel.start({
      carriers: [fakeCarrier('slow', () => (++asked < 3 ? deferred(20, 'throttled', 'slow down') : delivered('x')))],
    });
    const id = await one();
    await kernel.send(id);
    expect(await kernel.until(id, 'completed')).toMatchObject({ try_done: 1 });
    expect(await kernel.spools(id)).toMatchObject([{ deferrals: 2, status: 'completed' }]);
  });

  it.each([
    ['the driver throws', () => Promise.reject(new Error('link broke'))],
    ['the driver hangs', () => new Promise<never>(() => undefined)],
  ])('%s → unknown_outcome, not sent again though tries are left', async (_what, answer) => {
    const carrier = fakeCarrier('odd', answer);
    kernel = await TestKernel.start({ carriers: [carrier], config: { engine: { submit_timeout: 1 } } });
    const id = await one(3);
    await kernel.send(id);
    expect(await kernel.until(id, 'failed')).toMatchObject({ response: 'unknown_outcome', try_done: 1 });
    await kernel.engine().tick();
    await pause(50);
    expect(carrier.handed).toHaveLength(1);
    expect(await kernel.spools(id)).toMatchObject([{ status: 'failed', reason: 'unknown' }]);
  });

  it('a text that is gone → failed with media_missing, nothing handed over', async () => {
    const carrier = fakeCarrier('good', () => delivered('x'));
    kernel = await TestKernel.start({ carriers: [carrier] });
    const id = await one();
    await kernel.database.query('delete from text');
    await kernel.send(id);
    expect(await kernel.until(id, 'failed')).toMatchObject({ response: 'media_missing' });
    expect(carrier.handed).toEqual([]);
  });
});

describe('choosing a provider', () => {
  it('fails over within the attempt on proof that the first did not take it, and records who did', async () => {
    const dead = fakeCarrier('dead', () => failed('provider_down', 'ECONNREFUSED', { notAccepted: true }));
    const good = fakeCarrier('good', () => delivered('x'));
    kernel = await TestKernel.start({ carriers: [dead, good] });
    const id = await one();
    await kernel.send(id);
    await kernel.until(id, 'completed');
    expect(dead.handed).toHaveLength(1);
    expect(await kernel.spools(id)).toMatchObject([{ provider: 'good', status: 'completed' }]);
  });

  it('does not fail over without that proof', async () => {
    const doubtful = fakeCarrier('doubtful', () => failed('busy', '486'));
    const good = fakeCarrier('good', () => delivered('x'));
    kernel = await TestKernel.start({ carriers: [doubtful, good] });
    const id = await one();
    await kernel.send(id);
    await kernel.until(id, 'failed');
    expect(good.handed).toEqual([]);
  });

  it('lets a provider rest after three failures in a row', async () => {
    const dead = fakeCarrier('dead', () => failed('provider_down', 'down', { notAccepted: true }));
    const good = fakeCarrier('good', () => delivered('x'));
    kernel = await TestKernel.start({ carriers: [dead, good] });
    for (const id of await kernel.transmissions(6)) {
      await kernel.send(id);
      await kernel.until(id, 'completed');
    }
    expect(dead.handed).toHaveLength(3);
    expect(good.handed).toHaveLength(6);
  });

  it('never takes a simulated carrier where a real one serves the channel, even a dead one', async () => {
    const dead = fakeCarrier('dead', () => failed('provider_down', 'down', { notAccepted: true }));
    const simulated = fakeCarrier('simulated', () => delivered('x'));
    kernel = await TestKernel.start({ carriers: [dead], simulated });
    const id = await one();
    await kernel.send(id);
    expect(await kernel.until(id, 'failed')).toMatchObject({ response: 'down' });
    expect(simulated.handed).toEqual([]);
  });

  it('never takes a driver that only receives', async () => {
    const mailbox = fakeCarrier('mailbox', () => delivered('x'), { receivesOnly: true });
    const simulated = fakeCarrier('simulated', () => delivered('y'));
    kernel = await TestKernel.start({ carriers: [mailbox], simulated });
    const id = await one();
    await kernel.send(id);
    await kernel.until(id, 'completed');
    expect(mailbox.handed).toEqual([]);
    expect(simulated.handed).toHaveLength(1);
  });

  it('none there → 404, and the transmission stays pending', async () => {
    kernel = await TestKernel.start();
    const id = await one();
    await expect(kernel.send(id)).rejects.toMatchObject({
      status: 404,
      message: expect.stringContaining('No provider available'),
    });
    expect(await kernel.state(id)).toMatchObject({ status: 'pending', try_done: 0 });
  });

  it('keeps within a session’s window and rate', async () => {
    let now = 0;
    let most = 0;
    const carrier = fakeCarrier(
      'narrow',
      async () => {
        most = Math.max(most, ++now);
        await pause(5);
        now--;
        return delivered(`${Math.random()}`);
      },
      { limits: { maxInFlight: 3 } },
    );
    kernel = await TestKernel.start({ carriers: [carrier] });
    const ids = await kernel.transmissions(30);
    for (const id of ids) await kernel.send(id);
    for (const id of ids) await kernel.until(id, 'completed');
    expect(most).toBeLessThanOrEqual(3);
    expect(new Set(carrier.handed).size).toBe(30);
  });
});

describe('receipts', () => {
  it('a receipt after the answer ends the attempt; a second one and a contrary one change nothing', async () => {
    const carrier = fakeCarrier('smsc', (order) => accepted(`id-${order.spoolId}`, { detail: 'ESME_ROK' }));
    kernel = await TestKernel.start({ carriers: [carrier] });
    const id = await one();
    const spoolId = await kernel.send(id);
    await waitFor(async () => (await kernel.spools(id))[0]?.status === 'connected');
    expect(await kernel.state(id)).toMatchObject({ status: 'processing' });
    const report = (outcome: ReturnType<typeof delivered> | ReturnType<typeof failed>) =>
      carrier.context?.emit({ kind: 'report', ref: `id-${spoolId}`, outcome });
    await report(delivered(`id-${spoolId}`, { detail: 'DELIVRD' }));
    expect(await kernel.until(id, 'completed')).toMatchObject({ response: '' });
    await report(delivered(`id-${spoolId}`));
    await report(failed('rejected', 'UNDELIV'));
    expect(await kernel.state(id)).toMatchObject({ status: 'completed' });
    expect(await kernel.spools(id)).toMatchObject([{ status: 'completed', response: 'DELIVRD' }]);
  });

  it('a receipt that comes before the answer is parked and applied', async () => {
    const carrier = fakeCarrier('smsc', async (order, context) => {
      await context.emit({ kind: 'report', ref: `id-${order.spoolId}`, outcome: failed('rejected', 'EXPIRED') });
      return accepted(`id-${order.spoolId}`);
    });
    kernel = await TestKernel.start({ carriers: [carrier] });
    const id = await one();
    await kernel.send(id);
    expect(await kernel.until(id, 'failed')).toMatchObject({ response: 'EXPIRED' });
    expect(await kernel.database.query('select 1 from report_parked')).toEqual([]);
  });

  it('a receipt that never comes: completed as `accepted` after the time', async () => {
    const carrier = fakeCarrier('smsc', (order) => accepted(`id-${order.spoolId}`));
    kernel = await TestKernel.start({ carriers: [carrier] });
    const id = await one();
    await kernel.send(id);
    await waitFor(async () => (await kernel.spools(id))[0]?.status === 'connected');
    await kernel.database.query(`update spool set deadline_at = now() - interval '1 s'`);
    await kernel.engine().tick();
    await kernel.until(id, 'completed');
    expect(await kernel.spools(id)).toMatchObject([{ status: 'completed', response: 'accepted' }]);
  });
});

describe('crashes and several nodes', () => {
  /** A node that died: its row is there, its heartbeat is over. */
  async function deadNode(): Promise<number> {
    const [row] = await kernel.database.query<{ node_id: number }>(
      `insert into node (instance, role, version, stopped_at) values ('gone', 'all', '', now()) returning node_id`,
    );
    return (row as { node_id: number }).node_id;
  }

  it('what a dead node had begun is unknown and not sent again; what it had only claimed runs', async () => {
    const carrier = fakeCarrier('good', () => delivered('x'));
    kernel = await TestKernel.start({ carriers: [carrier] });
    const [begun, claimed] = (await kernel.transmissions(2, 3)) as [number, number];
    const node = await deadNode();
    for (const [id, status] of [
      [begun, 'started'],
      [claimed, 'queued'],
    ] as const) {
      await kernel.database.query(
        `update transmission set status = 'processing', try_done = 1, contact_phone = '+15550100' where transmission_id = $1`,
        [id],
      );
      await kernel.database.query(
        `insert into spool (transmission_id, account_id, service_flag, status, node_id) values ($1, 1, 4, $2, $3)`,
        [id, status, node],
      );
    }
    await kernel.engine().tick();
    expect(await kernel.until(begun, 'failed')).toMatchObject({ response: 'unknown_outcome', try_done: 1 });
    await kernel.until(claimed, 'completed');
    expect(carrier.handed).toHaveLength(1);
  });

  it('two nodes on one queue hand everything over exactly once', async () => {
    const carrier = fakeCarrier('good', async (order) => {
      await pause(10);
      return delivered(`${order.spoolId}`);
    });
    // Small batches and windows, so that neither node can take everything before the other has looked.
    kernel = await TestKernel.start({ carriers: [carrier], config: { engine: { batch: 5, in_flight: 5 } } });
    const second = await kernel.boot();
    const ids = await kernel.transmissions(300);
    await kernel.engine().release(kernel.database, ids, ['pending'], 1);
    kernel.engine().wake();
    kernel.engine(second).wake();
    await waitFor(
      async () => (await kernel.database.query(`select 1 from transmission where status <> 'completed'`)).length === 0,
    );
    expect([...carrier.handed].sort((a, b) => a - b)).toEqual([...new Set(carrier.handed)].sort((a, b) => a - b));
    expect(carrier.handed).toHaveLength(300);
    const nodes = await kernel.database.query<{ node_id: number }>('select distinct node_id from spool');
    expect(nodes.length).toBe(2);
  });

  it('a stop hands back what is queued and waits for what is out', async () => {
    let finish: () => void = () => undefined;
    const carrier = fakeCarrier('slow', () => new Promise((resolve) => (finish = () => resolve(delivered('x')))), {
      limits: { maxInFlight: 1 },
    });
    kernel = await TestKernel.start({ carriers: [carrier] });
    const [out, waiting] = (await kernel.transmissions(2)) as [number, number];
    await kernel.send(out);
    await waitFor(async () => carrier.handed.length === 1);
    await kernel.send(waiting);
    await pause(100);
    const stopping = kernel.kernel.stop();
    setTimeout(() => finish(), 200);
    await stopping;
    expect(await kernel.state(out)).toMatchObject({ status: 'completed' });
    expect(await kernel.state(waiting)).toMatchObject({ status: 'processing' });
    expect(await kernel.spools(waiting)).toMatchObject([{ status: 'queued' }]);
    // The next boot of any node sends it.
    await kernel.boot();
    await waitFor(async () => carrier.handed.length === 2);
    finish();
    await kernel.until(waiting, 'completed');
  });

  it('single sends go before a campaign that waits', async () => {
    const carrier = fakeCarrier(
      'good',
      async () => {
        await pause(2);
        return delivered('x');
      },
      { limits: { maxInFlight: 2 } },
    );
    kernel = await TestKernel.start({ carriers: [carrier] });
    const many = await kernel.transmissions(200);
    const single = await one();
    await kernel.engine().release(kernel.database, many, ['pending'], 1);
    kernel.engine().wake();
    await waitFor(async () => carrier.handed.length > 10);
    const spoolId = await kernel.send(single);
    await kernel.until(single, 'completed');
    expect(carrier.handed.indexOf(spoolId)).toBeLessThan(150);
    await waitFor(async () => carrier.handed.length === 201);
  });
});

async function waitFor(condition: () => Promise<boolean>): Promise<void> {
  const end = Date.now() + 10_000;
  while (!(await condition())) {
    if (Date.now() > end) throw new Error('waited 10 s in vain');
    await pause(10);
  }
}

describe('what a node must not do', () => {
  it('bury itself after an outage; taken for dead by others it goes on under a new id', async () => {
    const carrier = fakeCarrier('good', () => delivered('x'));
    kernel = await TestKernel.start({ carriers: [carrier], config: { engine: { lease: 5 } } });
    await kernel.database.query(`update node set heartbeat_at = now() - interval '1 hour'`);
    await kernel.engine().tick();
    expect(await kernel.database.query('select 1 from node where stopped_at is not null')).toEqual([]);
    await kernel.database.query('update node set stopped_at = now()');
    await waitFor(
      async () => (await kernel.database.query('select 1 from node where stopped_at is null')).length === 1,
    );
    const id = await one();
    await kernel.send(id);
    await kernel.until(id, 'completed');
  });

  it('end an attempt that another node has taken over since the claim', async () => {
    kernel = await TestKernel.start();
    const [id] = (await kernel.transmissions(1, 2)) as [number];
    await kernel.engine().release(kernel.database, [id], ['pending'], 0);
    const [spool] = await kernel.spools(id);
    const judgement = {
      spoolStatus: 'failed',
      reason: 'provider_down',
      response: 'no_provider',
      transmissionStatus: 'pending_retry',
      transmissionResponse: 'no_provider',
      retryIn: 0,
    } as const;
    const outcome = failed('provider_down', 'no_provider');
    const entry = { ...finalEntry(spool?.spool_id as number, outcome, judgement), claimedBy: 1001 };
    for (const [node, status] of [
      [1002, 'queued'],
      [1001, 'started'],
    ] as const) {
      await kernel.database.query('update spool set node_id = $2, status = $3 where transmission_id = $1', [
        id,
        node,
        status,
      ]);
      expect((await writeEntries(kernel.database, [entry])).size).toBe(0);
    }
    expect(await kernel.state(id)).toMatchObject({ status: 'processing' });
    await kernel.database.query(`update spool set node_id = 1001, status = 'queued' where transmission_id = $1`, [id]);
    expect((await writeEntries(kernel.database, [entry])).size).toBe(1);
  });
});
