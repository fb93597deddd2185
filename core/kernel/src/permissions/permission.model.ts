import { Column, DataType, Model, Table } from 'sequelize-typescript';

/** The right to do one thing, by name (glossary: permission). */
@Table({ tableName: 'permission' })
export class Permission extends Model {
  @Column({ type: DataType.BIGINT, primaryKey: true, autoIncrement: true })
  declare permission_id: number;

  @Column(DataType.STRING)
  declare name: string;

  @Column(DataType.STRING)
  declare description: string;
}
