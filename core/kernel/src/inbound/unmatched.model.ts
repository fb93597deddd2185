import { Column, DataType, Model, Table } from 'sequelize-typescript';

/** A message that nobody took. Written by the inbound side's own SQL only. */
@Table({ tableName: 'inbound_unmatched' })
export class InboundUnmatched extends Model {
  @Column({ type: DataType.BIGINT, primaryKey: true, autoIncrement: true })
  declare unmatched_id: number;

  @Column(DataType.STRING)
  declare channel: string;
}
