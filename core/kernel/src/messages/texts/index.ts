export { Text } from './text.model';
export { textRoutes } from './text.routes';
export { TEXT_CLASS, TEXT_ENCODING, textCreate, textSpec } from './text.schema';
export { renderText, type SendableText, type SmsContent, TextService } from './text.service';
