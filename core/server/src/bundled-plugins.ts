import type { AnyPlugin } from '@ictcore/contract';
import { plugin as faxtoemail } from '@ictcore/plugin-faxtoemail';
import { plugin as receiveemail } from '@ictcore/plugin-receiveemail';
import { plugin as receivefax } from '@ictcore/plugin-receivefax';
import { plugin as receivesms } from '@ictcore/plugin-receivesms';
import { plugin as sendemail } from '@ictcore/plugin-sendemail';
import { plugin as sendfax } from '@ictcore/plugin-sendfax';
import { plugin as sendsms } from '@ictcore/plugin-sendsms';
import { plugin as voicemessage } from '@ictcore/plugin-voicemessage';
import { plugin as imap } from '@ictcore/provider-imap';
import { plugin as kannel } from '@ictcore/provider-kannel';
import { plugin as loopback } from '@ictcore/provider-loopback';
import { plugin as smpp } from '@ictcore/provider-smpp';
import { plugin as smtp } from '@ictcore/provider-smtp';
import { plugin as smtpInbound } from '@ictcore/provider-smtp-inbound';

/** The plugins that come with the server. This is the only place that names plugins. */
export const bundledPlugins: readonly AnyPlugin[] = [
  sendsms,
  sendemail,
  sendfax,
  voicemessage,
  receivesms,
  receiveemail,
  receivefax,
  faxtoemail,
  kannel,
  loopback,
  smpp,
  smtp,
  smtpInbound,
  imap,
];
