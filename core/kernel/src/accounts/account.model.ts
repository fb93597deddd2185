import { Column, DataType, Model, Table } from 'sequelize-typescript';

/** Our side of a delivery: a caller id, DID, extension or e-mail address (glossary: account). */
@Table({ tableName: 'account' })
export class Account extends Model {
  @Column({ type: DataType.BIGINT, primaryKey: true, autoIncrement: true })
  declare account_id: number;

  @Column(DataType.STRING)
  declare type: string;

  @Column(DataType.STRING)
  declare username: string;

  /** Encrypted JSON of `passwd` and `passwd_pin`, sealed for `account:<account_id>`. */
  @Column(DataType.TEXT)
  declare secrets: string | null;

  @Column(DataType.STRING)
  declare first_name: string | null;

  @Column(DataType.STRING)
  declare last_name: string | null;

  @Column(DataType.STRING)
  declare phone: string | null;

  @Column(DataType.STRING)
  declare phone_normalized: string | null;

  @Column(DataType.STRING)
  declare email: string | null;

  @Column(DataType.STRING)
  declare address: string | null;

  @Column(DataType.JSONB)
  declare settings: Record<string, unknown>;

  @Column(DataType.SMALLINT)
  declare active: number;

  /** The owner; null while unassigned. */
  @Column(DataType.BIGINT)
  declare created_by: number | null;

  @Column(DataType.DATE)
  declare last_updated: Date | null;

  @Column(DataType.BIGINT)
  declare updated_by: number | null;
}
