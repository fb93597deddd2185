import { Column, DataType, Model, Table } from 'sequelize-typescript';

/** A person or place that messages go to or come from (glossary: contact). */
@Table({ tableName: 'contact' })
export class Contact extends Model {
  @Column({ type: DataType.BIGINT, primaryKey: true, autoIncrement: true })
  declare contact_id: number;

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

  @Column(DataType.STRING)
  declare custom1: string | null;

  @Column(DataType.STRING)
  declare custom2: string | null;

  @Column(DataType.STRING)
  declare custom3: string | null;

  @Column(DataType.STRING)
  declare description: string;

  @Column(DataType.BIGINT)
  declare created_by: number | null;

  @Column(DataType.DATE)
  declare last_updated: Date | null;

  @Column(DataType.BIGINT)
  declare updated_by: number | null;
}
