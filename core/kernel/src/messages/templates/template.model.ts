import { Column, DataType, Model, Table } from 'sequelize-typescript';

/** An e-mail (glossary: template). */
@Table({ tableName: 'template' })
export class Template extends Model {
  @Column({ type: DataType.BIGINT, primaryKey: true, autoIncrement: true })
  declare template_id: number;

  @Column(DataType.STRING)
  declare name: string;

  @Column(DataType.STRING)
  declare description: string;

  @Column(DataType.STRING)
  declare type: string;

  @Column(DataType.STRING)
  declare subject: string;

  /** HTML. */
  @Column(DataType.TEXT)
  declare body: string;

  /** Plain part; null: derived from the HTML when it is sent. */
  @Column(DataType.TEXT)
  declare body_alt: string | null;

  /** Bytes of subject, body, body_alt and attachments. */
  @Column(DataType.INTEGER)
  declare length: number;

  @Column(DataType.BIGINT)
  declare created_by: number | null;

  @Column(DataType.DATE)
  declare last_updated: Date | null;

  @Column(DataType.BIGINT)
  declare updated_by: number | null;
}
