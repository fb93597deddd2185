import { Column, DataType, Model, Table } from 'sequelize-typescript';

/** A person or program that may log in (glossary: user). The table is `usr`: `user` is a word of SQL's own. */
@Table({ tableName: 'usr' })
export class User extends Model {
  @Column({ type: DataType.BIGINT, primaryKey: true, autoIncrement: true })
  declare user_id: number;

  @Column(DataType.STRING)
  declare username: string;

  /** argon2id, as a PHC string. */
  @Column(DataType.TEXT)
  declare passwd: string;

  @Column(DataType.STRING)
  declare first_name: string | null;

  @Column(DataType.STRING)
  declare last_name: string | null;

  @Column(DataType.STRING)
  declare phone: string | null;

  @Column(DataType.STRING)
  declare email: string;

  @Column(DataType.STRING)
  declare address: string | null;

  @Column(DataType.STRING)
  declare company: string | null;

  @Column(DataType.INTEGER)
  declare country_id: number | null;

  @Column(DataType.STRING)
  declare language_id: string | null;

  @Column(DataType.INTEGER)
  declare timezone_id: number | null;

  @Column(DataType.SMALLINT)
  declare active: number;

  @Column(DataType.BIGINT)
  declare created_by: number | null;

  @Column(DataType.DATE)
  declare last_updated: Date | null;

  @Column(DataType.BIGINT)
  declare updated_by: number | null;
}
