import { Column, DataType, Model, Table } from 'sequelize-typescript';

/** An entry of the do-not-contact list. */
@Table({ tableName: 'contact_dnc' })
export class ContactDnc extends Model {
  @Column({ type: DataType.BIGINT, primaryKey: true, autoIncrement: true })
  declare contact_dnc_id: number;

  @Column(DataType.STRING)
  declare channel: string;

  @Column(DataType.STRING)
  declare address: string;

  @Column(DataType.STRING)
  declare normalized: string;

  @Column(DataType.STRING)
  declare origin: string;

  @Column(DataType.STRING)
  declare description: string;

  @Column(DataType.BIGINT)
  declare created_by: number | null;

  @Column(DataType.DATE)
  declare last_updated: Date | null;

  @Column(DataType.BIGINT)
  declare updated_by: number | null;
}
