import { inspect } from 'node:util';
import type { Logger } from '@ictcore/contract';

/** One line that was logged. */
export interface LogLine {
  readonly level: 'debug' | 'info' | 'warn' | 'error';
  readonly fields: Readonly<Record<string, unknown>>;
  readonly message: string;
}

/** A logger that keeps its lines for tests, those of its children too. */
export class RecordingLogger implements Logger {
  constructor(
    /** Every line so far. */
    readonly lines: LogLine[] = [],
    private readonly bound: Readonly<Record<string, unknown>> = {},
  ) {}

  debug(fields: Readonly<Record<string, unknown>>, message: string): void {
    this.write('debug', fields, message);
  }

  info(fields: Readonly<Record<string, unknown>>, message: string): void {
    this.write('info', fields, message);
  }

  warn(fields: Readonly<Record<string, unknown>>, message: string): void {
    this.write('warn', fields, message);
  }

  error(fields: Readonly<Record<string, unknown>>, message: string): void {
    this.write('error', fields, message);
  }

  child(fields: Readonly<Record<string, unknown>>): RecordingLogger {
    return new RecordingLogger(this.lines, { ...this.bound, ...fields });
  }

  /** All lines as text, errors with their stacks: what an operator could read. */
  text(): string {
    return this.lines
      .map((line) => `${line.level} ${line.message} ${inspect(line.fields, { depth: 8, breakLength: Infinity })}`)
      .join('\n');
  }

  private write(level: LogLine['level'], fields: Readonly<Record<string, unknown>>, message: string): void {
    this.lines.push({ level, fields: { ...this.bound, ...fields }, message });
  }
}
