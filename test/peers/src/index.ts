export { ASTERISK_DIR, type AsteriskFiles, asteriskFiles, downloadAsterisk } from './asterisk.install';
export { compareFax, measureWav, readFaxPages, writeFaxTiff, writeTone } from './asterisk.media';
export {
  type AsteriskOptions,
  AsteriskPeer,
  type FarEndCall,
  type FarEndOriginate,
  freeUdpPort,
  startAsterisk,
} from './asterisk.peer';
export { type DovecotOptions, DovecotPeer, startDovecot } from './dovecot.peer';
export { FaultySmtpServer, type FaultyTransaction, SMTP_FAULTS, type SmtpFault } from './faulty-smtp-server';
export { type KannelOptions, KannelPeer, startKannel } from './kannel.peer';
export { deliverToMaildir, MaildirReader, parseDelivered, type ReceivedMail } from './maildir';
export { describeWithPeer, type PeerAvailability, requirePeer } from './peer-availability';
export { isPeerName, PEERS, type PeerDescription, type PeerName } from './peer-catalogue';
export { installCommand, installPeers, missingPeers } from './peer-install';
export type { PostfixMode, RecipientRules } from './postfix.config';
export { type PostfixOptions, PostfixPeer, startPostfix } from './postfix.peer';
export { type PostfixRelayOptions, relayByPostfix } from './postfix.relay';
export {
  type ReceiptStatus,
  type SmscBehaviour,
  type SmscEvent,
  type SmscInbound,
  type SmscOptions,
  SmscPeer,
  type SmscSubmit,
  startSmppSmsc,
} from './smsc.peer';
