/** Longest call of each kind in seconds: a safety net that holds without us. */
const LIMIT = { voice: 3600, fax: 3600, record: 600 } as const;

/**
 * The fixed dialplan: every call runs in one of its contexts, steered by ICT_ variables; it never changes, so no value
 * of a user is ever written into it. `ICT_END`, made by a hangup handler whoever hangs up, goes out as an event and into
 * the journal.
 *
 * @param received folder for faxes and recordings that come in
 */
export function dialplan(received: string): string {
  return [FLOW, VOICE, SEND_FAX, receiveFax(received), record(received), END, inbound()].join('\n');
}

const begin = (seconds: string | number) => `exten => s,1,Set(CHANNEL(hangup_handler_push)=ict-end,s,1)
 same => n,Set(TIMEOUT(absolute)=${seconds})`;

/** Nobody takes the call within 20 s (we are down): it ends. Our first step sets the limit of its own. */
const FLOW = `; each step decided by our server (AsyncAGI)
[ict-flow]
${begin(20)}
 same => n,AGI(agi:async)
 same => n,Hangup(16)
`;

/**
 * ICT_N steps, each ICT_OPn (play, wait, read, digits, number, alpha, date, time) with ICT_An. AMD first if asked for:
 * ICT_MACHINE=hangup ends the call when a machine answers, beep speaks after its beep.
 */
const VOICE = `; a message without decisions: play, wait, say, read a digit
[ict-voice]
${begin(`\${IF($["\${ICT_LIMIT}"=""]?${LIMIT.voice}:\${ICT_LIMIT})}`)}
 same => n,Set(ICT_I=0)
 same => n,GotoIf($["\${ICT_AMD}"!="1"]?next)
 same => n,AMD()
 same => n,GotoIf($["\${AMDSTATUS}"!="MACHINE"]?next)
 same => n,GotoIf($["\${ICT_MACHINE}"="hangup"]?machine)
 same => n,WaitForSilence(1500,1,20)
 same => n(next),Set(ICT_I=$[\${ICT_I}+1])
 same => n,GotoIf($[\${ICT_I}>\${ICT_N}]?done)
 same => n,Goto(\${ICT_OP\${ICT_I}},1)
 same => n(done),Set(ICT_RESULT=played)
 same => n,Hangup(16)
 same => n(machine),Set(ICT_RESULT=machine)
 same => n,Hangup(16)
exten => play,1,Playback(\${ICT_A\${ICT_I}})
 same => n,GotoIf($["\${PLAYBACKSTATUS}"="FAILED"]?bad)
 same => n,Goto(s,next)
 same => n(bad),Set(ICT_RESULT=unplayable)
 same => n,Hangup(16)
exten => wait,1,Wait(\${ICT_A\${ICT_I}})
 same => n,Goto(s,next)
exten => read,1,Read(ICT_DIGITS,\${ICT_A\${ICT_I}},\${ICT_MAX},,1,\${ICT_WAIT})
 same => n,Goto(s,next)
exten => digits,1,SayDigits(\${ICT_A\${ICT_I}})
 same => n,Goto(s,next)
exten => number,1,SayNumber(\${ICT_A\${ICT_I}})
 same => n,Goto(s,next)
exten => alpha,1,SayAlpha(\${ICT_A\${ICT_I}})
 same => n,Goto(s,next)
exten => date,1,SayUnixTime(\${ICT_A\${ICT_I}},UTC,ABdY)
 same => n,Goto(s,next)
exten => time,1,SayUnixTime(\${ICT_A\${ICT_I}},UTC,IMp)
 same => n,Goto(s,next)
`;

/** When the far end hangs up, nothing after SendFAX runs: the hangup handler alone reports. */
const SEND_FAX = `[ict-sendfax]
${begin(LIMIT.fax)}
 same => n,Set(FAXOPT(headerinfo)=\${ICT_HEADER})
 same => n,Set(FAXOPT(localstationid)=\${ICT_STATION})
 same => n,Set(FAXOPT(ecm)=\${IF($["\${ICT_ECM}"="no"]?no:yes)})
 same => n,Set(ICT_RESULT=fax)
 same => n,SendFAX(\${ICT_FILE},\${IF($["\${ICT_FAXMODE}"=""]?fz:\${ICT_FAXMODE})}s)
 same => n,Hangup(16)
`;

const receiveFax = (folder: string) => `[ict-recvfax]
${begin(LIMIT.fax)}
 same => n,Answer()
 same => n,Set(ICT_FILE=${folder}/\${UNIQUEID}.tif)
 same => n,Set(FAXOPT(localstationid)=\${ICT_DID})
 same => n,Set(ICT_RESULT=recvfax)
 same => n,ReceiveFAX(\${ICT_FILE},fs)
 same => n,Hangup(16)
`;

const record = (folder: string) => `; takes a spoken message, also while our server is down
[ict-record]
${begin(LIMIT.record)}
 same => n,Answer()
 same => n,Wait(0.5)
 same => n,Playback(beep)
 same => n,Set(ICT_FILE=${folder}/\${UNIQUEID}.wav)
 same => n,Set(ICT_RESULT=record)
 same => n,Record(\${ICT_FILE},5,300,kq)
 same => n,Hangup(16)
`;

/** `name=value` of ICT_END; values that may hold anything are percent-encoded. */
const END_FIELDS: readonly (readonly [name: string, expression: string])[] = [
  ['spool', `\${ICT_SPOOL}`],
  ['result', `\${ICT_RESULT}`],
  ['did', `\${URIENCODE(\${ICT_DID})}`],
  ['from', `\${URIENCODE(\${CALLERID(num)})}`],
  ['name', `\${URIENCODE(\${CALLERID(name)})}`],
  ['trunk', `\${ICT_TRUNK}`],
  ['cause', `\${HANGUPCAUSE}`],
  ['digits', `\${URIENCODE(\${ICT_DIGITS})}`],
  ['amd', `\${AMDSTATUS}`],
  ['amdcause', `\${URIENCODE(\${AMDCAUSE})}`],
  ['answer', `\${CDR(answer,u)}`],
  ['bill', `\${CDR(billsec,f)}`],
  ['want', `\${ICT_PAGES}`],
  ['fax', `\${FAXSTATUS}`],
  ['pages', `\${FAXPAGES}`],
  ['faxerr', `\${URIENCODE(\${FAXERROR})}`],
  ['faxmode', `\${FAXMODE}`],
  ['rate', `\${FAXBITRATE}`],
  ['res', `\${FAXRESOLUTION}`],
  ['station', `\${URIENCODE(\${REMOTESTATIONID})}`],
  ['file', `\${URIENCODE(\${ICT_FILE})}`],
];

const END = `; the end of every call: once over AMI, once into the journal on disk
[ict-end]
exten => s,1,Set(ICT_END=${END_FIELDS.map(([name, expression]) => `${name}=${expression}`).join('&')})
 same => n,CELGenUserEvent(ICT_END,\${ICT_END})
 same => n,UserEvent(IctEnd,Data: \${ICT_END})
 same => n,Return()
`;

/**
 * What a number does is kept in Asterisk's own database (`DBPut ict-did/<number>`), so binding one needs no reload. The
 * dialled number comes from outside: only its digits are ever used, and only if nothing else was in it.
 */
const inbound = () => `; calls from trunks
[from-trunk]
exten => _[+0-9].,1,Set(ICT_DID=\${FILTER(+0-9*#,\${EXTEN})})
 same => n,GotoIf($[\${LEN(\${ICT_DID})} != \${LEN(\${EXTEN})}]?unknown)
 same => n,GotoIf($[\${LEN(\${ICT_DID})} > 32]?unknown)
 same => n,Set(ICT_DOES=\${DB(ict-did/\${ICT_DID})})
 same => n,GotoIf($["\${ICT_DOES}"="fax"]?ict-recvfax,s,1)
 same => n,GotoIf($["\${ICT_DOES}"="flow"]?ict-flow,s,1)
 same => n,GotoIf($["\${ICT_DOES}"="record"]?ict-record,s,1)
 same => n,GotoIf($["\${ICT_DOES}"="detect"]?detect)
 same => n(unknown),UserEvent(IctUnknown,Data: did=\${ICT_DID}&from=\${URIENCODE(\${CALLERID(num)})}&trunk=\${ICT_TRUNK})
 same => n,Hangup(1)
 same => n(detect),Answer()
 same => n,Set(FAXOPT(faxdetect)=yes,6)
 same => n,Wait(6.5)
 same => n,Set(FAXOPT(faxdetect)=no)
 same => n,Goto(ict-flow,s,1)
exten => fax,1,Goto(ict-recvfax,s,1)

; calls from the phones of accounts
[from-extension]
exten => _[*+0-9].,1,Set(ICT_DID=\${FILTER(+0-9*#,\${EXTEN})})
 same => n,Goto(ict-flow,s,1)
`;
