/** What we use of asterisk-manager 0.2.0, which ships no types. Its defects and our remedies: see ami-link.ts. */
declare module 'asterisk-manager' {
  namespace manager {
    /** One message: keys in lower case; a key that came more than once holds an array; variables hold an object. */
    type RawMessage = Record<string, string | string[] | Record<string, string> | undefined>;
    interface Client {
      on(event: string, listener: (...values: never[]) => void): this;
      removeAllListeners(event?: string): this;
      setMaxListeners(count: number): this;
      /** `port` may be what net.createConnection takes; `host` is then ignored. */
      connect(port: number, host: string, connected?: (error?: Error | null) => void): void;
      login(done?: (error?: RawMessage) => void): void;
      /** Returns the action's id, under which the response is emitted. */
      action(action: Record<string, unknown>): string;
      disconnect(): void;
    }
  }
  function manager(
    port: number | null,
    host: string,
    username: string,
    password: string,
    events: boolean,
  ): manager.Client;
  export = manager;
}
