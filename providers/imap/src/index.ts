export { parseMail } from './mail';
