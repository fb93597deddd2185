import { Column, DataType, Model, Table } from 'sequelize-typescript';

/** A fax document (glossary: document). What follows from its media is written by the conversions. */
@Table({ tableName: 'document' })
export class Document extends Model {
  @Column({ type: DataType.BIGINT, primaryKey: true, autoIncrement: true })
  declare document_id: number;

  @Column(DataType.STRING)
  declare name: string;

  @Column(DataType.STRING)
  declare description: string;

  @Column(DataType.STRING)
  declare quality: string;

  /** Dots per inch, from the quality. */
  @Column(DataType.INTEGER)
  declare resolution_x: number;

  @Column(DataType.INTEGER)
  declare resolution_y: number;

  /** Extracted text. */
  @Column(DataType.TEXT)
  declare ocr: string | null;

  @Column(DataType.BIGINT)
  declare created_by: number | null;

  @Column(DataType.DATE)
  declare last_updated: Date | null;

  @Column(DataType.BIGINT)
  declare updated_by: number | null;
}
