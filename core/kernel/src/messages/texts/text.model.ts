import { Column, DataType, Model, Table } from 'sequelize-typescript';

/** The text of an SMS (glossary: text). */
@Table({ tableName: 'text' })
export class Text extends Model {
  @Column({ type: DataType.BIGINT, primaryKey: true, autoIncrement: true })
  declare text_id: number;

  @Column(DataType.STRING)
  declare name: string;

  @Column(DataType.TEXT)
  declare data: string;

  @Column(DataType.STRING)
  declare type: string;

  @Column(DataType.STRING)
  declare description: string;

  /** Characters (Unicode code points). */
  @Column(DataType.INTEGER)
  declare length: number;

  /** 0 none, 1 normal, 2 SIM, 4 SIM toolkit, 8 flash. */
  @Column(DataType.SMALLINT)
  declare class: number;

  /** 0 GSM 7 bit, 1 binary, 2 UCS-2. */
  @Column(DataType.SMALLINT)
  declare encoding: number;

  @Column(DataType.INTEGER)
  declare segments: number;

  @Column(DataType.BIGINT)
  declare created_by: number | null;

  @Column(DataType.DATE)
  declare last_updated: Date | null;

  @Column(DataType.BIGINT)
  declare updated_by: number | null;
}
