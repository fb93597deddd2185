import { Column, DataType, Model, Table } from 'sequelize-typescript';

/** A list of contacts (glossary: group). Its members are rows of contact_link. */
@Table({ tableName: 'contact_group' })
export class Group extends Model {
  @Column({ type: DataType.BIGINT, primaryKey: true, autoIncrement: true })
  declare group_id: number;

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
