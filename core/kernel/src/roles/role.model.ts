import { Column, DataType, Model, Table } from 'sequelize-typescript';

/** A named set of permissions (glossary: role). */
@Table({ tableName: 'role' })
export class Role extends Model {
  @Column({ type: DataType.BIGINT, primaryKey: true, autoIncrement: true })
  declare role_id: number;

  @Column(DataType.STRING)
  declare name: string;

  @Column(DataType.STRING)
  declare description: string;

  /** 1 for `admin` and `user`, which stay. */
  @Column(DataType.SMALLINT)
  declare built_in: number;
}
