import type { AsteriskFiles } from './asterisk.install';

/** What the configuration of a far end depends on. */
export interface FarEndLayout {
  readonly dir: string;
  readonly host: string;
  readonly sipPort: number;
  readonly rtpStart: number;
  readonly files: AsteriskFiles;
  /** SIP users (name, password, whether T.38 is allowed) that may register here: the gateways under test. */
  readonly users: readonly { readonly name: string; readonly password: string; readonly t38: boolean }[];
  /** A phone of this far end that registers to a gateway. */
  readonly phone?: { readonly name: string; readonly password: string; readonly host: string; readonly port: number };
}

const MODULES = `res_timing_timerfd res_sorcery_config res_sorcery_memory res_sorcery_astdb res_crypto res_rtp_asterisk
  res_musiconhold res_clioriginate res_speech res_agi res_fax res_fax_spandsp res_cdrel_custom res_pjproject res_pjsip res_pjsip_session
  res_pjsip_pubsub res_pjsip_acl res_pjsip_authenticator_digest res_pjsip_outbound_authenticator_digest
  res_pjsip_caller_id res_pjsip_endpoint_identifier_ip res_pjsip_endpoint_identifier_user res_pjsip_nat
  res_pjsip_outbound_registration res_pjsip_registrar res_pjsip_rfc3326 res_pjsip_sdp_rtp res_pjsip_t38 chan_pjsip
  bridge_simple bridge_native_rtp codec_ulaw codec_alaw codec_a_mu codec_gsm codec_resample format_pcm format_wav
  format_gsm format_sln pbx_config pbx_spool app_db app_dial app_exec app_playback app_read app_record app_senddtmf
  app_stack app_mixmonitor app_celgenuserevent app_userevent func_callerid func_cdr func_channel func_logic func_strings
  func_timeout func_uri cdr_custom`.split(/\s+/);

/** All files of `etc` by name. */
export function farEndConfig(layout: FarEndLayout): Record<string, string> {
  const { rtpStart } = layout;
  const udptl = rtpStart + 200;
  return {
    'asterisk.conf': asteriskConf(layout),
    'modules.conf': `[modules]\nautoload=no\n${MODULES.map((name) => `load=${name}.so`).join('\n')}\n`,
    'logger.conf': '[general]\ndateformat=%F %T.%3q\n[logfiles]\nmessages => notice,warning,error\n',
    'manager.conf': '[general]\nenabled=no\n',
    'http.conf': '[general]\nenabled=no\n',
    'cdr.conf': '[general]\nenable=yes\nunanswered=yes\ncongestion=yes\nendbeforehexten=no\n',
    'cdr_custom.conf': `[mappings]\nFar.csv => ${CDR_FIELDS.map((name) => `\${CSV_QUOTE(\${CDR(${name})})}`).join(',')}\n`,
    'pjsip.conf': pjsipConf(layout),
    'rtp.conf': `[general]\nrtpstart=${rtpStart}\nrtpend=${rtpStart + 198}\nicesupport=no\n`,
    'udptl.conf': `[general]\nudptlstart=${udptl}\nudptlend=${udptl + 99}\nudptlfecentries=3\nudptlfecspan=3\n`,
    'res_fax.conf': '[general]\nmaxrate=14400\nminrate=4800\nstatusevents=no\nmodems=v17,v27,v29\necm=yes\n',
    'extensions.conf': dialplan(layout.dir),
    'musiconhold.conf': `[general]\n[default]\nmode=files\ndirectory=${layout.dir}/lib\n`,
    'indications.conf': '[general]\ncountry=us\n[us]\ndescription=US\nringcadence=2000,4000\ndial=350+440\n',
    ...Object.fromEntries(EMPTY.map((name) => [name, '; nothing\n'])),
  };
}

const EMPTY = ['acl.conf', 'ccss.conf', 'features.conf', 'stasis.conf', 'cel.conf', 'pjproject.conf'];

/** Columns of the far end's own record of its calls. */
export const CDR_FIELDS = ['dst', 'src', 'clid', 'channel', 'duration', 'billsec', 'disposition', 'userfield'] as const;

function asteriskConf({ dir, files }: FarEndLayout): string {
  return `[directories]
astetcdir => ${dir}/etc
astmoddir => ${files.modulesDir}
astvarlibdir => ${dir}/lib
astdbdir => ${dir}/lib
astkeydir => ${dir}/lib
astdatadir => ${files.dataDir}
astagidir => ${dir}/lib
astspooldir => ${dir}/spool
astrundir => ${dir}/run
astlogdir => ${dir}/log
[options]
documentation_language = en_US
nocolor = yes
transmit_silence = yes
maxfiles = 65536
systemname = far
`;
}

function pjsipConf({ host, sipPort, users, phone }: FarEndLayout): string {
  const media = `direct_media=no\nmedia_address=${host}\nbind_rtp_to_media_address=yes`;
  const t38 = 't38_udptl=yes\nt38_udptl_ec=redundancy\nt38_udptl_maxdatagram=400\nt38_bind_udptl_to_media_address=yes';
  const user = (each: FarEndLayout['users'][number]) => `
[${each.name}]
type=endpoint
context=carrier-in
identify_by=auth_username,username
disallow=all
allow=ulaw,alaw
auth=${each.name}
aors=${each.name}
trust_id_inbound=yes
${media}
${each.t38 ? t38 : 't38_udptl=no'}
[${each.name}]
type=aor
max_contacts=1
remove_existing=yes
[${each.name}]
type=auth
auth_type=digest
username=${each.name}
password=${each.password.replaceAll(';', '\\;')}
`;
  return `[global]
type=global
endpoint_identifier_order=auth_username,username,ip
[udp]
type=transport
protocol=udp
bind=${host}:${sipPort}
${users.map(user).join('')}${phone ? phoneConf(phone, media) : ''}`;
}

function phoneConf(phone: NonNullable<FarEndLayout['phone']>, media: string): string {
  return `
[phone]
type=auth
auth_type=digest
username=${phone.name}
password=${phone.password.replaceAll(';', '\\;')}
[phone]
type=registration
transport=udp
outbound_auth=phone
server_uri=sip:${phone.host}:${phone.port}
client_uri=sip:${phone.name}@${phone.host}:${phone.port}
contact_user=phone
retry_interval=2
forbidden_retry_interval=2
auth_rejection_permanent=no
fatal_retry_interval=2
max_retries=10000
expiration=60
[phone]
type=aor
contact=sip:${phone.host}:${phone.port}
[phone]
type=endpoint
context=phone-in
disallow=all
allow=ulaw,alaw
outbound_auth=phone
aors=phone
from_user=${phone.name}
${media}
[phone]
type=identify
endpoint=phone
match=${phone.host}
`;
}

/**
 * The carrier's numbers. A hangup handler writes what the fax engine said and which file was recorded into the call
 * record's `userfield`.
 */
function dialplan(dir: string): string {
  const fax = (number: string, station: string, options: string, before = '') => `exten => ${number},1,Gosub(start,1)
 same => n,Answer()
${before} same => n,Set(FAXOPT(localstationid)=${station})
 same => n,Set(FILE=${dir}/spool/fax/\${EXTEN}-\${UNIQUEID}.tif)
 same => n,ReceiveFAX(\${FILE},${options})
 same => n,Hangup(16)
`;
  return `[general]
static=yes
writeprotect=yes

[carrier-in]
exten => start,1,Set(CHANNEL(hangup_handler_push)=end,s,1)
 same => n,Return()
; what callers see of each cause: 21 rejected 403, 22 changed 410, 27 out of order 502, 28 bad format 484, 34 503 ...
exten => _10[2-5]X,1,Hangup(\${EXTEN:2})
exten => _101[89],1,Hangup(\${EXTEN:2})
exten => 1001,1,Gosub(start,1)
 same => n,Ringing()
 same => n,Wait(0.5)
 same => n,Answer()
 same => n,Set(FILE=${dir}/spool/rec/1001-\${UNIQUEID}.wav)
 same => n,Record(\${FILE},0,60,qk)
exten => 1002,1,Busy(2)
exten => 1003,1,Ringing()
 same => n,Wait(120)
exten => 1004,1,Congestion(2)
; 1005 is not there: 404
exten => 1006,1,Gosub(start,1)
 same => n,Answer()
 same => n,Wait(2)
 same => n,SendDTMF(1)
 same => n,Wait(30)
; 1007 a person, 1008 an answering machine
exten => 1007,1,Gosub(start,1)
 same => n,Answer()
 same => n,Wait(0.6)
 same => n,Playback(hello)
 same => n,Set(FILE=${dir}/spool/rec/1007-\${UNIQUEID}.wav)
 same => n,Record(\${FILE},0,20,qk)
exten => 1008,1,Gosub(start,1)
 same => n,Answer()
 same => n,Wait(0.3)
 same => n,Playback(vm-intro)
 same => n,Playback(beep)
 same => n,Set(FILE=${dir}/spool/rec/1008-\${UNIQUEID}.wav)
 same => n,Record(\${FILE},0,30,qk)
${fax('1010', '+15551010', 'f')}${fax('1011', '+15551011', 'F')}; 1012NN: a fax machine that drops the call after NN seconds
${fax('_1012XX', '+15551012', 'f', ` same => n,Set(TIMEOUT(absolute)=\${EXTEN:4})\n`)}; 1013NN: a voice answers a fax call, for NN seconds
exten => _1013XX,1,Gosub(start,1)
 same => n,Answer()
 same => n,Set(TIMEOUT(absolute)=\${EXTEN:4})
 same => n(again),Playback(vm-intro)
 same => n,Goto(again)
; 1014NN: answers, says nothing, hangs up after NN seconds
exten => _1014XX,1,Gosub(start,1)
 same => n,Answer()
 same => n,Wait(\${EXTEN:4})
 same => n,Hangup(16)
; 1016D..: answers, then presses each digit, one every 1.5 s
exten => _1016X.,1,Gosub(start,1)
 same => n,Answer()
 same => n,Wait(2)
 same => n,SendDTMF(\${EXTEN:4},1500)
 same => n,Wait(30)
; an announcement without answer, then "no such number"
exten => 1017,1,Progress()
 same => n,Playback(ss-noservice,noanswer)
 same => n,Hangup(1)
; any of these with a country code in front
exten => _+1555.,1,Goto(\${EXTEN:5},1)

[end]
exten => s,1,Set(CDR(userfield)=file=\${URIENCODE(\${FILE})}&fax=\${FAXSTATUS}&pages=\${FAXPAGES}&mode=\${FAXMODE}&station=\${URIENCODE(\${REMOTESTATIONID})}&error=\${URIENCODE(\${FAXERROR})})
 same => n,Return()

; what this end does on a call it makes to a gateway
[to-gateway]
exten => fax,1,Set(CHANNEL(hangup_handler_push)=end,s,1)
 same => n,Set(FAXOPT(localstationid)=+15550001)
 same => n,Set(FAXOPT(headerinfo)=Far end)
 same => n,SendFAX(\${FAXFILE},\${FAXMODES})
 same => n,Hangup(16)
exten => faxdie,1,Set(CHANNEL(hangup_handler_push)=end,s,1)
 same => n,Set(TIMEOUT(absolute)=\${SECONDS})
 same => n,SendFAX(\${FAXFILE},\${FAXMODES})
 same => n,Hangup(16)
exten => talk,1,Playback(\${FILE})
 same => n,Wait(\${SECONDS})
 same => n,Hangup(16)
exten => digits,1,Wait(2)
 same => n,SendDTMF(\${DIGITS},1500)
 same => n,Wait(\${SECONDS})
 same => n,Hangup(16)

; calls that reach this end's phone
[phone-in]
exten => _[a-z0-9].,1,Set(CHANNEL(hangup_handler_push)=end,s,1)
 same => n,Answer()
 same => n,Set(FILE=${dir}/spool/rec/phone-\${UNIQUEID}.wav)
 same => n,Record(\${FILE},0,20,qk)
`;
}
