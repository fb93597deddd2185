#!/usr/bin/perl
# A scripted SMSC (SMPP 3.4) for tests, on the codec of Debian's libnet-smpp-perl: independent of our own.
# One process, one select loop. Its argument is a JSON object of options (../src/smsc.peer.ts has all of them).
# Commands come as JSON, one object a line, on standard input; events go out the same way on standard output.
use strict;
use warnings;
use IO::Select;
use JSON::PP;
use Socket qw(IPPROTO_TCP TCP_NODELAY);
use Time::HiRes qw(time);

# Net::SMPP reads a PDU by blocking. Feeding it from a buffer that already holds the whole PDU lets one process serve
# several clients, and a client that stops in the middle of a PDU harms nobody.
package BufferedSmpp;
use Net::SMPP;
our @ISA = ('Net::SMPP');

sub sysread {
    my ($self, undef, $length, $offset) = @_;
    my $bytes = substr ${*$self}{peer_input}, 0, $length, '';
    $_[1] //= '';
    substr($_[1], $offset // 0) = $bytes;
    return length $bytes;
}

package main;

use constant {
    MAX_PDU => 65536,
    ESME_RINVBNDSTS => 0x04, ESME_RINVPASWD => 0x0e, ESME_RINVSYSID => 0x0f, ESME_RTHROTTLED => 0x58,
};
my %BIND = (1 => 'receiver', 2 => 'transmitter', 9 => 'transceiver');
my %STATE = (DELIVRD => 2, EXPIRED => 3, DELETED => 4, UNDELIV => 5, ACCEPTD => 6, UNKNOWN => 7, REJECTD => 8);

$| = 1;
$SIG{PIPE} = 'IGNORE';
my $json = JSON::PP->new->canonical->latin1;
my %option;
my %link;          # file number -> { socket, mode, number, sent }
my @due;           # receipts: { at, order, text, ... }
my ($submits, $links, $order) = (0, 0, 0);
my $control = '';

sub event { my ($name, %fields) = @_; print $json->encode({ event => $name, %fields }), "\n" }

sub close_link {
    my ($link, $why) = @_;
    my $fd = fileno $link->{socket};
    return unless defined $fd && delete $link{$fd};
    $main::select->remove($link->{socket});
    close $link->{socket};
    event('closed', link => $link->{number}, why => $why);
}

# The id as submit_sm_resp shows it and as the receipt shows it.
sub ids {
    my ($number) = @_;
    my $format = $option{idFormat};
    return (sprintf('%X', $number), sprintf('%X', $number)) if $format eq 'hex';
    return (sprintf('%x', $number), sprintf('%010d', $number)) if $format eq 'hex_then_decimal';
    return ("$number", "$number");
}

sub timestamp { my @t = gmtime; sprintf '%02d%02d%02d%02d%02d', $t[5] % 100, $t[4] + 1, @t[3, 2, 1] }

sub plan_receipt {
    my ($pdu, $id) = @_;
    my $status = $option{statusOf}{ $pdu->{destination_addr} } // $option{status};
    my $error = $status eq 'DELIVRD' ? '000' : '012';
    my $text = sprintf 'id:%s sub:001 dlvrd:%03d submit date:%s done date:%s stat:%s err:%s text:',
        $id, $status eq 'DELIVRD' ? 1 : 0, timestamp(), timestamp(), $status, $error;
    my $receipt = {
        at => time + $option{receiptDelayMs} / 1000, order => $order++, id => $id,
        from => $pdu->{destination_addr}, to => $pdu->{source_addr}, text => $text, state => $STATE{$status} // 7,
    };
    push @due, $receipt;
    if ($option{receiptOrder} eq 'reversed') {
        # All that wait are sent together, last one first, once the newest is due.
        $_->{at} = $receipt->{at} for @due;
        @due = sort { $b->{order} <=> $a->{order} } @due;
    }
}

# The youngest link of a client that takes deliveries.
sub receiving_link {
    my ($link) = sort { $b->{number} <=> $a->{number} } grep { $_->{mode} =~ /ceiver$/ } values %link;
    return $link;
}

sub send_due_receipts {
    my $to = receiving_link() or return; # they are kept until there is one
    while (@due && $due[0]{at} <= time) {
        my $receipt = shift @due;
        my %tlv = $option{receiptTlv}
            ? (receipted_message_id => "$receipt->{id}\0", message_state => pack('C', $receipt->{state})) : ();
        my $seq = $to->{socket}->deliver_sm(
            source_addr => $receipt->{from}, destination_addr => $receipt->{to}, esm_class => 0x04, data_coding => 0,
            short_message => $receipt->{text}, async => 1, %tlv,
        );
        event('receipt', id => $receipt->{id}, seq => $seq, link => $to->{number});
    }
}

sub on_bind {
    my ($link, $pdu) = @_;
    my $mode = $BIND{ $pdu->{cmd} };
    my $status = ($pdu->{system_id} // '') ne $option{systemId} ? ESME_RINVSYSID
        : ($pdu->{password} // '') ne $option{password} ? ESME_RINVPASWD : 0;
    my $answer = "bind_${mode}_resp";
    $link->{socket}->$answer(system_id => 'TESTSMSC', seq => $pdu->{seq}, status => $status);
    $link->{mode} = $mode unless $status;
    event('bind', link => $link->{number}, mode => $mode, status => $status, systemId => $pdu->{system_id});
}

sub on_submit {
    my ($link, $pdu) = @_;
    my $n = ++$submits;
    my $body = $pdu->{message_payload} // $pdu->{short_message};
    if ($option{dropAfter} && $link->{sent} >= $option{dropAfter}) {
        $option{dropAfter} = 0; # once: the client must be able to come back
        return close_link($link, 'dropAfter');
    }
    $link->{sent}++;
    my ($shown, $receipted) = ids($option{firstId} + $n);
    my $status = $option{throttleEvery} && $n % $option{throttleEvery} == 0 ? ESME_RTHROTTLED
        : $option{refuse}{ $pdu->{destination_addr} } // 0;
    event('submit', link => $link->{number}, id => $status ? '' : $shown, status => $status, from => $pdu->{source_addr},
        to => $pdu->{destination_addr}, fromTon => $pdu->{source_addr_ton}, fromNpi => $pdu->{source_addr_npi},
        toTon => $pdu->{dest_addr_ton}, toNpi => $pdu->{dest_addr_npi}, dataCoding => $pdu->{data_coding},
        esmClass => $pdu->{esm_class}, registeredDelivery => $pdu->{registered_delivery}, hex => unpack('H*', $body));
    return if $option{silentSubmit};
    my $receipt = !$status && ($pdu->{registered_delivery} & 1);
    if ($receipt && $option{receiptBeforeResponse}) {
        plan_receipt($pdu, $receipted);
        $_->{at} = 0 for @due;
        send_due_receipts();
    }
    $link->{socket}->submit_sm_resp(message_id => $status ? '' : $shown, seq => $pdu->{seq}, status => $status);
    plan_receipt($pdu, $receipted) if $receipt && !$option{receiptBeforeResponse};
}

sub on_pdu {
    my ($link, $pdu) = @_;
    my ($cmd, $socket) = ($pdu->{cmd}, $link->{socket});
    if ($BIND{$cmd} && $link->{mode} eq '') { on_bind($link, $pdu) }
    elsif ($cmd == 0x15) {
        event('enquire_link', link => $link->{number}, answered => $option{silentEnquireLink} ? JSON::PP::false : JSON::PP::true);
        $socket->enquire_link_resp(seq => $pdu->{seq}) unless $option{silentEnquireLink};
    }
    elsif ($cmd == 4 && $link->{mode} =~ /^trans/) { on_submit($link, $pdu) }
    elsif ($cmd == 4) { $socket->submit_sm_resp(message_id => '', seq => $pdu->{seq}, status => ESME_RINVBNDSTS) }
    elsif ($cmd == 6) { $socket->unbind_resp(seq => $pdu->{seq}); close_link($link, 'unbind') }
    elsif ($cmd == 0x80000005) { event('deliver_resp', link => $link->{number}, seq => $pdu->{seq}, status => $pdu->{status}) }
    elsif ($cmd & 0x80000000) { event('response', link => $link->{number}, command => $cmd, status => $pdu->{status}) }
    else { $socket->generic_nack(seq => $pdu->{seq}, status => 0x03); event('unknown', link => $link->{number}, command => $cmd) }
}

sub on_input {
    my ($link) = @_;
    my $socket = $link->{socket};
    my $buffer = \${*$socket}{peer_input};
    my $n = CORE::sysread $socket, $$buffer, 65536, length $$buffer;
    return close_link($link, 'peer') unless $n;
    while (defined fileno $socket && length $$buffer >= 4) {
        my $length = unpack 'N', $$buffer;
        return close_link($link, 'malformed length') if $length < 16 || $length > MAX_PDU;
        return if length $$buffer < $length;
        my $pdu = eval { $socket->read_pdu } or return close_link($link, 'malformed PDU');
        on_pdu($link, $pdu);
    }
}

sub on_command {
    my ($command) = @_;
    my $name = $command->{command};
    if ($name eq 'set') { %option = (%option, %{ $command->{options} }) }
    elsif ($name eq 'drop') { close_link($_, 'command') for values %link }
    elsif ($name eq 'inbound') {
        my $to = receiving_link()
            or return event('reply', reference => $command->{reference}, error => 'no client is bound for deliveries');
        my $seq = $to->{socket}->deliver_sm(
            source_addr => $command->{from}, destination_addr => $command->{to}, esm_class => $command->{esmClass},
            data_coding => $command->{dataCoding}, short_message => pack('H*', $command->{hex}), async => 1);
        return event('reply', reference => $command->{reference}, seq => $seq);
    }
    event('reply', reference => $command->{reference});
}

%option = %{ $json->decode($ARGV[0]) };
my $server = BufferedSmpp->new_listen('127.0.0.1', port => $option{port}, smpp_version => 0x34, interface_version => 0x34)
    or die "cannot listen on port $option{port}: $!\n";
our $select = IO::Select->new($server, \*STDIN);
event('listening', port => $option{port});
while (1) {
    my $wait = @due && receiving_link() ? $due[0]{at} - time : 60;
    for my $ready ($select->can_read($wait < 0.005 ? 0.005 : $wait)) {
        if ($ready == $server) {
            my $socket = $server->accept or next;
            ${*$socket}{peer_input} = '';
            setsockopt $socket, IPPROTO_TCP, TCP_NODELAY, 1; # a receipt right after an answer must not wait 40 ms
            $select->add($socket);
            my $link = $link{ fileno $socket } = { socket => $socket, mode => '', number => ++$links, sent => 0 };
            event('connection', link => $link->{number});
        } elsif ($ready == \*STDIN) {
            # The parent closes the pipe, or is gone: nothing to do here any more.
            exit 0 unless CORE::sysread STDIN, $control, 65536, length $control;
            while ($control =~ s/^([^\n]*)\n//) { on_command($json->decode($1)) }
        } elsif (my $link = $link{ fileno($ready) // -1 }) { on_input($link) }
    }
    send_due_receipts();
}
