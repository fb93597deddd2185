import { Column, DataType, Model, Table } from 'sequelize-typescript';

/** One attempt of a transmission (glossary: spool). Written by the engine's own SQL only. */
@Table({ tableName: 'spool' })
export class Spool extends Model {
  @Column({ type: DataType.BIGINT, primaryKey: true, autoIncrement: true })
  declare spool_id: number;

  @Column(DataType.BIGINT)
  declare transmission_id: number;

  @Column(DataType.STRING)
  declare status: string;
}

/** A fact that an attempt brought to light (glossary: result). Written by the engine's own SQL only. */
@Table({ tableName: 'spool_result' })
export class SpoolResult extends Model {
  @Column({ type: DataType.BIGINT, primaryKey: true, autoIncrement: true })
  declare spool_result_id: number;

  @Column(DataType.BIGINT)
  declare spool_id: number;

  @Column(DataType.STRING)
  declare name: string;
}
