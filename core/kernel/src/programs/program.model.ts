import { Column, DataType, Model, Table } from 'sequelize-typescript';

/** A stored program: a type with its parameters (glossary: program). */
@Table({ tableName: 'program' })
export class ProgramRow extends Model {
  @Column({ type: DataType.BIGINT, primaryKey: true, autoIncrement: true })
  declare program_id: number;

  @Column(DataType.STRING)
  declare name: string;

  @Column(DataType.STRING)
  declare type: string;

  @Column(DataType.BIGINT)
  declare parent_id: number | null;

  @Column(DataType.JSONB)
  declare data: Record<string, unknown>;

  @Column(DataType.BIGINT)
  declare created_by: number | null;

  @Column(DataType.DATE)
  declare last_updated: Date | null;

  @Column(DataType.BIGINT)
  declare updated_by: number | null;
}
