export { type BindMode, bind, type LinkOptions, loginProblem } from './bind';
export { Connection } from './connection';
export { Link, type LinkEvents } from './link';
export { isLinkError, LinkError } from './link-error';
