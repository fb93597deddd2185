import { Column, DataType, Model, Table } from 'sequelize-typescript';

/** Something to be done at a time (glossary: task, schedule). Written by the schedules' own SQL. */
@Table({ tableName: 'task' })
export class Task extends Model {
  @Column({ type: DataType.BIGINT, primaryKey: true, autoIncrement: true })
  declare task_id: number;

  @Column(DataType.STRING)
  declare type: string;

  @Column(DataType.BIGINT)
  declare created_by: number | null;
}
