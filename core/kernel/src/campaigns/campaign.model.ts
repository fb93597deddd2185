import { Column, DataType, Model, Table } from 'sequelize-typescript';

/** One program to every member of a group, at a pace (glossary: campaign). The engine moves it by SQL of its own. */
@Table({ tableName: 'campaign' })
export class Campaign extends Model {
  @Column({ type: DataType.BIGINT, primaryKey: true, autoIncrement: true })
  declare campaign_id: number;

  @Column(DataType.STRING)
  declare name: string | null;

  @Column(DataType.BIGINT)
  declare program_id: number | null;

  @Column(DataType.BIGINT)
  declare group_id: number | null;

  @Column(DataType.BIGINT)
  declare account_id: number | null;

  @Column(DataType.SMALLINT)
  declare service_flag: number;

  @Column(DataType.INTEGER)
  declare cpm: number | null;

  @Column(DataType.INTEGER)
  declare concurrency: number | null;

  @Column(DataType.INTEGER)
  declare try_allowed: number;

  @Column(DataType.STRING)
  declare source: string;

  @Column(DataType.STRING)
  declare status: string;

  @Column(DataType.STRING)
  declare reason: string;

  @Column(DataType.BIGINT)
  declare created_by: number | null;

  @Column(DataType.DATE)
  declare last_updated: Date | null;

  @Column(DataType.BIGINT)
  declare updated_by: number | null;
}
