export { ATTACHMENT_KEYS, type Attachment, type AttachmentSource, AttachmentStore } from './attachments';
export { plainTextOf } from './plain-text';
export { type EmailContent, renderTemplate, type SendableTemplate } from './sendable';
export { Template } from './template.model';
export { templateRoutes } from './template.routes';
export { ATTACHMENT_LIMITS, templateCreate, templateSpec } from './template.schema';
export { type AttachOptions, TemplateService } from './template.service';
