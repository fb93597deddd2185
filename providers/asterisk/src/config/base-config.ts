import { dialplan } from './dialplan';
import { renderIni } from './ini';
import { type AsteriskLayout, paths } from './layout';

/** The modules of Asterisk that we need, and no others: smaller, quicker to boot, less to attack. */
const MODULES = `res_timing_timerfd res_sorcery_config res_sorcery_memory res_sorcery_astdb res_crypto res_rtp_asterisk
  res_musiconhold res_speech res_agi res_fax res_fax_spandsp res_cdrel_custom res_pjproject res_pjsip res_pjsip_session
  res_pjsip_pubsub res_pjsip_acl res_pjsip_authenticator_digest res_pjsip_outbound_authenticator_digest
  res_pjsip_caller_id res_pjsip_dtmf_info res_pjsip_endpoint_identifier_ip res_pjsip_endpoint_identifier_user
  res_pjsip_nat res_pjsip_outbound_registration res_pjsip_registrar res_pjsip_rfc3326 res_pjsip_sdp_rtp res_pjsip_t38
  res_pjsip_config_wizard chan_pjsip bridge_simple bridge_native_rtp codec_ulaw codec_alaw codec_a_mu codec_gsm
  codec_resample format_pcm format_wav format_gsm format_sln pbx_config app_amd app_celgenuserevent app_db app_dial
  app_exec app_playback app_read app_record app_sayunixtime app_senddtmf app_stack app_userevent app_waitforsilence
  func_callerid func_cdr func_channel func_db func_hangupcause func_logic func_strings func_timeout func_uri
  cel_custom`.split(/\s+/);

/** Events that we ask Asterisk for: 3 or 4 a call instead of 26. */
const EVENTS = `FullyBooted Shutdown Newchannel Newstate OriginateResponse Hangup DTMFEnd UserEvent AsyncAGIStart
  AsyncAGIExec AsyncAGIEnd FAXStatus ContactStatus Registry`.split(/\s+/);

const AMI_READ = 'system,call,user,agi,dtmf';
const AMI_WRITE = 'system,call,user,agi,originate,reporting,config';

/** The text of every file below `etc`, by name, but for the trunks (see trunks.ts). */
export function baseConfig(layout: AsteriskLayout): Record<string, string> {
  return {
    'asterisk.conf': asteriskConf(layout),
    'modules.conf': `[modules]\nautoload=no\n${MODULES.map((name) => `load=${name}.so`).join('\n')}\n`,
    'manager.conf': managerConf(layout),
    'logger.conf': '[general]\ndateformat=%F %T.%3q\n[logfiles]\nmessages => notice,warning,error\n',
    'extensions.conf': `[general]\nstatic=yes\nwriteprotect=yes\n\n${dialplan(paths.received(layout.dir))}`,
    'pjsip.conf': pjsipConf(layout),
    'rtp.conf': `[general]\nrtpstart=${layout.rtp.first}\nrtpend=${layout.rtp.last}\nicesupport=no\n`,
    'udptl.conf': `[general]\nudptlstart=${layout.udptl.first}\nudptlend=${layout.udptl.last}\nudptlfecentries=3\nudptlfecspan=3\nuse_even_ports=no\n`,
    'cel.conf': CEL,
    'cel_custom.conf': CEL_CUSTOM,
    'cdr.conf': CDR,
    'amd.conf': AMD,
    'res_fax.conf': FAX,
    'musiconhold.conf': `[general]\n[default]\nmode=files\ndirectory=${layout.dir}/lib\n`,
    'indications.conf': '[general]\ncountry=us\n[us]\ndescription=US\nringcadence=2000,4000\ndial=350+440\n',
    'http.conf': '[general]\nenabled=no\n',
    ...Object.fromEntries(['acl', 'ccss', 'features', 'stasis', 'pjproject'].map((n) => [`${n}.conf`, '; nothing\n'])),
  };
}

function asteriskConf({ dir, modulesDir, dataDir, systemName }: AsteriskLayout): string {
  for (const path of [dir, modulesDir, dataDir]) {
    if (!/^\/[\w./@+-]+$/.test(path)) throw new Error(`Asterisk needs a plain absolute folder name: ${path}`);
  }
  if (!/^[A-Za-z0-9]{1,20}$/.test(systemName)) throw new Error('systemName: 1 to 20 letters and digits');
  return `[directories]
astetcdir => ${dir}/etc
astmoddir => ${modulesDir}
astvarlibdir => ${dir}/lib
astdbdir => ${dir}/lib
astkeydir => ${dir}/lib
astdatadir => ${dataDir}
astagidir => ${dir}/lib
astspooldir => ${dir}/spool
astrundir => ${dir}/run
astlogdir => ${dir}/log
[options]
documentation_language = en_US
nocolor = yes
; answering machines are told from people by silence, which must therefore be sent
transmit_silence = yes
maxfiles = 65536
systemname = ${systemName}
`;
}

/** The section of our user, also for the manager.conf of an Asterisk that somebody else runs. */
export function managerUser({ ami }: Pick<AsteriskLayout, 'ami'>): string {
  const section = renderIni([
    {
      name: ami.username,
      entries: [
        ['secret', ami.secret],
        ['deny', '0.0.0.0/0.0.0.0'],
        ['permit', `${ami.host}/255.255.255.255`],
        ['read', AMI_READ],
        ['write', AMI_WRITE],
        ['writetimeout', 5000],
      ],
    },
  ]);
  return `${section}${EVENTS.map((name) => `eventfilter(action(include),name(${name}))=\n`).join('')}`;
}

function managerConf(layout: AsteriskLayout): string {
  return `[general]
enabled=yes
webenabled=no
bindaddr=${layout.ami.host}
port=${layout.ami.port}
timestampevents=yes
displayconnects=no
authtimeout=10
channelvars=ICT_SPOOL,ICT_TRUNK
${managerUser(layout)}`;
}

function pjsipConf({ sip }: AsteriskLayout): string {
  return renderIni([
    {
      name: 'global',
      entries: [
        ['type', 'global'],
        ['user_agent', 'ICTCore'],
        ['endpoint_identifier_order', 'username,ip'],
      ],
    },
    {
      name: 'udp',
      entries: [
        ['type', 'transport'],
        ['protocol', 'udp'],
        ['bind', `${sip.host}:${sip.port}`],
        ...(sip.externalAddress
          ? ([
              ['external_media_address', sip.externalAddress],
              ['external_signaling_address', sip.externalAddress],
              ...(sip.localNets ?? []).map((net) => ['local_net', net] as const),
            ] as const)
          : []),
      ],
    },
  ]);
}

/** Channel events go to disk as they happen: the truth about calls after the AMI link, or we, were away. */
export const CEL = `[general]
enable=yes
events=CHAN_START,ANSWER,HANGUP,USER_DEFINED
dateformat=%s.%3q
`;

const JOURNAL_COLUMNS = [
  'eventtype',
  'eventtime',
  'CHANNEL(uniqueid)',
  'CHANNEL(linkedid)',
  'CALLERID(num)',
  'CHANNEL(exten)',
  'CHANNEL(channame)',
  'eventextra',
];

/** The journal's columns: journal.ts reads them in this order. */
export const CEL_CUSTOM = `[mappings]
Journal.csv => ${JOURNAL_COLUMNS.map((name) => `\${CSV_QUOTE(\${${name}})}`).join(',')}
`;

const CDR = `[general]
enable=yes
unanswered=yes
congestion=yes
endbeforehexten=no
`;

/** Measured: HUMAN or MACHINE 2.3 to 2.6 s after the answer. */
const AMD = `[general]
total_analysis_time = 5000
silence_threshold = 256
initial_silence = 2500
after_greeting_silence = 800
greeting = 1500
min_word_length = 100
between_words_silence = 50
maximum_number_of_words = 3
maximum_word_length = 5000
`;

const FAX = `[general]
maxrate=14400
minrate=4800
statusevents=yes
modems=v17,v27,v29
ecm=yes
t38timeout=5000
`;
