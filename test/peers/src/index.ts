export * from './maildir';
export * from './peer-availability';
export { isPeerName, PEERS, type PeerDescription, type PeerName } from './peer-catalogue';
export { installCommand, installPeers, missingPeers } from './peer-install';
export type { PostfixMode, RecipientRules } from './postfix.config';
export * from './postfix.peer';
