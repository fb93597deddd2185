import { Column, DataType, Model, Table } from 'sequelize-typescript';

/** One delivery (glossary: transmission). Its attempts are spools. */
@Table({ tableName: 'transmission' })
export class Transmission extends Model {
  @Column({ type: DataType.BIGINT, primaryKey: true, autoIncrement: true })
  declare transmission_id: number;

  @Column(DataType.STRING)
  declare title: string;

  @Column(DataType.SMALLINT)
  declare service_flag: number;

  @Column(DataType.BIGINT)
  declare account_id: number | null;

  @Column(DataType.BIGINT)
  declare contact_id: number | null;

  @Column(DataType.BIGINT)
  declare program_id: number | null;

  @Column(DataType.BIGINT)
  declare campaign_id: number | null;

  @Column(DataType.STRING)
  declare origin: string;

  @Column(DataType.STRING)
  declare direction: string;

  @Column(DataType.STRING)
  declare status: string;

  @Column(DataType.INTEGER)
  declare try_allowed: number;

  @Column(DataType.INTEGER)
  declare retry_delay: number | null;

  @Column(DataType.SMALLINT)
  declare is_deleted: number;

  @Column(DataType.SMALLINT)
  declare is_read: number;

  @Column(DataType.DATE)
  declare next_run: Date | null;

  @Column(DataType.BIGINT)
  declare created_by: number | null;

  @Column(DataType.DATE)
  declare last_updated: Date | null;

  @Column(DataType.BIGINT)
  declare updated_by: number | null;
}
