import { Column, DataType, Model, Table } from 'sequelize-typescript';

/** A trunk: one provider with which this server speaks (glossary: provider). */
@Table({ tableName: 'provider' })
export class Provider extends Model {
  @Column({ type: DataType.BIGINT, primaryKey: true, autoIncrement: true })
  declare provider_id: number;

  @Column(DataType.STRING)
  declare name: string;

  @Column(DataType.STRING)
  declare type: string;

  @Column(DataType.INTEGER)
  declare service_flag: number;

  @Column(DataType.STRING)
  declare host: string | null;

  @Column(DataType.INTEGER)
  declare port: number | null;

  @Column(DataType.STRING)
  declare username: string | null;

  @Column(DataType.STRING)
  declare dialstring: string | null;

  @Column(DataType.STRING)
  declare prefix: string | null;

  @Column(DataType.JSONB)
  declare settings: Record<string, unknown>;

  @Column(DataType.TEXT)
  declare secrets: string | null;

  @Column(DataType.SMALLINT)
  declare register: number;

  @Column(DataType.INTEGER)
  declare weight: number;

  @Column(DataType.SMALLINT)
  declare active: number;

  @Column(DataType.STRING)
  declare description: string;

  @Column(DataType.BIGINT)
  declare created_by: number | null;

  @Column(DataType.DATE)
  declare last_updated: Date | null;

  @Column(DataType.BIGINT)
  declare updated_by: number | null;
}
