import { Column, DataType, Model, Table } from 'sequelize-typescript';

/** A voice recording (glossary: recording). What follows from its media is written by the conversions. */
@Table({ tableName: 'recording' })
export class Recording extends Model {
  @Column({ type: DataType.BIGINT, primaryKey: true, autoIncrement: true })
  declare recording_id: number;

  @Column(DataType.STRING)
  declare name: string;

  @Column(DataType.STRING)
  declare description: string;

  @Column(DataType.BIGINT)
  declare created_by: number | null;

  @Column(DataType.DATE)
  declare last_updated: Date | null;

  @Column(DataType.BIGINT)
  declare updated_by: number | null;
}
