//! `SIGINT` and `SIGTERM`: an orderly end, within the grace.

use crate::prelude::*;

pub const CASES: &[Case] = &[
    case!(a_stop_without_clients_is_clean),
    case!(clients_between_messages_are_closed_at_once).timed(),
    case!(what_was_sent_before_a_stop_is_answered),
    case!(a_slow_reader_within_the_grace_gets_everything),
    case!(a_slow_reader_is_cut_after_the_grace).timed(),
    case!(the_grace_is_5_seconds_by_default).timed().slow(),
    case!(a_grace_of_0_cuts_at_once).timed(),
    case!(a_client_that_goes_on_sending_is_cut_after_the_grace).slow(),
    case!(a_stop_accepts_no_more),
    case!(clients_in_the_queue_are_reset_at_a_stop),
    case!(the_port_can_be_bound_again_at_once),
    case!(a_client_that_sends_on_and_reads_slowly_loses_nothing),
    case!(a_client_that_is_gone_holds_up_no_stop).slow(),
    case!(replies_that_do_not_arrive_are_given_up_after_the_grace).timed(),
    case!(a_stop_during_the_last_reading_resets_no_client).in_a_second(),
    case!(a_stop_before_the_last_reply_resets_no_client).in_a_second(),
    case!(a_second_signal_ends_it_with_130).slow(),
    case!(one_signal_to_the_whole_group_is_one_stop),
    case!(a_burst_of_signals_is_one_request),
    case!(a_hang_up_is_a_stop_unless_it_was_ignored),
    case!(a_stop_that_waits_says_so).slow(),
];

fn a_stop_without_clients_is_clean(form: &Form) {
    for signal in [SIGINT, SIGTERM] {
        let mut server = form.run("");
        server.signal(signal);
        let totals = server.transcript().totals;
        assert_eq!((totals.clients, totals.received, totals.sent), (0, 0, 0));
    }
}

fn clients_between_messages_are_closed_at_once(form: &Form) {
    let attempt = |signal| -> Duration {
        let mut server =
            form.start("--serve until-eof --grace 15").room_for(6).run();
        // Some clients have said nothing yet, some were answered; none of them
        // closes.
        let mut clients = server.accepted_many(5);
        exchange_all(&mut clients[2..], b"hola\n");
        let taken = server.time_to_stop(signal);
        all_are_closed_by_the_stop(&mut server, &mut clients);
        taken
    };
    for signal in [SIGINT, SIGTERM] {
        // On a busy machine one stop may take longer, but not each of five.
        let quickest = (0..5).map(|_| attempt(signal)).min();
        assert!(quickest < Some(Duration::from_millis(500)), "{quickest:?}");
    }

    // Clients of which one message is expected are closed at once, too.
    let mut server = form.run("--serve once --grace 15");
    let mut clients = server.accepted_many(3);
    server.signal(SIGTERM);
    all_are_closed_by_the_stop(&mut server, &mut clients);
}

/// Each client gets an end of file, and the server prints the stop as its
/// reason.
fn all_are_closed_by_the_stop(server: &mut Server, clients: &mut [Client]) {
    clients.iter_mut().for_each(Client::expect_end);
    let transcript = server.transcript();
    for client in clients {
        assert_eq!(transcript.reason(client.address), Some("server stopping"));
    }
}

fn what_was_sent_before_a_stop_is_answered(form: &Form) {
    for _ in 0..3 {
        let mut server =
            form.start("--serve until-eof --grace 15").room_for(20).run();
        let mut clients = server.accepted_many(20);
        let message = pattern(20_000);
        for (number, client) in clients.iter_mut().enumerate() {
            client.send(&message[..(number + 1) * 1000]);
        }
        for client in &clients {
            client.wait_until_arrived();
        }
        server.signal(SIGTERM);
        for (number, client) in clients.iter_mut().enumerate() {
            let reply = client.receive_all();
            assert!(reply == message[..(number + 1) * 1000], "no. {number}");
        }
        let sum = (1..=20).sum::<u64>() * 1000;
        assert_eq!(server.transcript().totals.sent, sum);

        let mut server =
            form.start("--serve once --grace 15").room_for(10).run();
        let mut clients = server.accepted_many(10);
        for client in &mut clients {
            client.send(b"hola\n");
        }
        server.signal(SIGINT);
        for client in &mut clients {
            assert_eq!(client.receive_all(), b"hola\n");
        }
        drop(clients);
        assert_eq!(server.transcript().totals.sent, 50);
    }
}

/// A server that is stopping and has not ended, since the reply of one client
/// waits; with that client, and how much it has sent.
fn stopping(
    form: &Form,
    options: &str,
    mut begin: impl FnMut(&Server),
) -> (Server, Client, usize) {
    let server = form.run(&format!("--serve until-eof {options}"));
    let (slow, sent) = server.stalled();
    let mut idle = server.accepted();
    begin(&server);
    // One between messages is closed at once: the stop has begun.
    idle.expect_end();
    assert!(server.is_running(), "the slow one was not waited for");
    (server, slow, sent)
}

fn a_slow_reader_within_the_grace_gets_everything(form: &Form) {
    assert_slow_reader_gets_everything(form, |it| it.signal(SIGTERM));
}

/// Stops a server so, while a client takes its replies slowly; that client
/// must get all of them.
fn assert_slow_reader_gets_everything(form: &Form, ask: impl FnMut(&Server)) {
    let (mut server, mut slow, sent) = stopping(form, "--grace 15", ask);
    slow.expect(&pattern(sent));
    slow.expect_end();
    assert_eq!(server.transcript().totals.sent, sent as u64);
}

fn a_client_that_sends_on_and_reads_slowly_loses_nothing(form: &Form) {
    let mut server = form.run("--serve until-eof --grace 15");
    let (mut slow, sent) = server.stalled();
    server.signal(SIGTERM);
    wait_until_refused(&server);
    // The client reads piece by piece, and sends one more byte for each piece.
    // The server may drop these bytes, but must not reset the connection too
    // early.
    let mut replies = Vec::new();
    loop {
        let _ = slow.try_send(b"x");
        match slow.receive(512) {
            Ok(bytes) if !bytes.is_empty() => replies.extend(bytes),
            _ => break,
        }
    }
    assert!(replies.starts_with(&pattern(sent)), "{}", replies.len());
    assert_eq!(server.transcript().totals.sent, replies.len() as u64);
}

/// Whether a stop took the grace of a second; a busy machine needs longer.
fn assert_about_a_second(taken: Duration) {
    assert!(taken > Duration::from_millis(900), "{taken:?}");
    assert!(taken < Duration::from_secs(5), "{taken:?}");
}

fn a_slow_reader_is_cut_after_the_grace(form: &Form) {
    let mut server = form.run("--serve until-eof --grace 1");
    let (mut slow, sent) = server.stalled();
    let mut idle = server.accepted();
    let taken = server.time_to_stop(SIGTERM);
    assert_about_a_second(taken);
    idle.expect_end();
    assert!(slow.expect_any_end().len() < sent);
    let transcript = server.transcript();
    assert_eq!(transcript.totals.clients, 2);
    assert_eq!(transcript.reason(slow.address), Some("server stopping"));
}

fn the_grace_is_5_seconds_by_default(form: &Form) {
    // On a busy machine one attempt may take longer, but not each of three.
    let mut attempts = (0..3).map(|_| {
        let mut server = form.run("--serve until-eof");
        let (_slow, _) = server.stalled();
        let taken = server.time_to_stop(SIGTERM);
        server.transcript();
        assert!(taken > Duration::from_millis(4800), "{taken:?}");
        taken
    });
    let bound = Duration::from_millis(5900);
    assert!(attempts.any(|taken| taken < bound), "too long");
}

fn a_grace_of_0_cuts_at_once(form: &Form) {
    let mut server = form.run("--serve until-eof --grace 0");
    let (_slow, _) = server.stalled();
    let taken = server.time_to_stop(SIGTERM);
    assert!(taken < Duration::from_secs(4), "{taken:?}");
    server.transcript();
}

fn a_client_that_goes_on_sending_is_cut_after_the_grace(form: &Form) {
    let mut server = form.run("--serve until-eof --grace 1");
    let mut client = server.sending(&pattern(20_000));
    server.signal(SIGTERM);
    // The client sends again what it receives, so that bytes are always on
    // their way.
    while let Ok(piece) = client.receive(65_536) {
        if piece.is_empty() || client.try_send(&piece).is_err() {
            break;
        }
    }
    drop(client);
    server.transcript();
}

/// Waits until no worker listens any more: the workers stop one after the
/// other, although one of them waits for a client.
fn wait_until_refused(server: &Server) {
    soon("connections are refused", || {
        Client::try_connect(server.address).is_err()
    });
}

fn a_stop_accepts_no_more(form: &Form) {
    let (mut server, mut slow, sent) =
        stopping(form, "--grace 15", |server| server.signal(SIGINT));
    wait_until_refused(&server);
    assert!(server.is_running(), "the slow one was not waited for");
    let accepted = server.count("  connected");
    slow.expect(&pattern(sent));
    slow.expect_end();
    assert_eq!(server.transcript().totals.clients, accepted as u64);
}

fn clients_in_the_queue_are_reset_at_a_stop(form: &Form) {
    let mut server = form.start("--serve until-eof").at_most(1).run();
    let mut first = server.accepted();
    let mut waiting = server.clients(5);
    waiting[0].send(b"hola\n");
    server.signal(SIGTERM);
    waiting.iter_mut().for_each(Client::expect_reset);
    first.expect_end();
    assert_eq!(server.transcript().totals.clients, 1);
}

fn the_port_can_be_bound_again_at_once(form: &Form) {
    let own = proc::own_address();
    for _ in 0..3 {
        let mut server = form.start("--serve once").on(own, 20_001).run();
        // The server closes first, so its end keeps the connection in mind.
        let _guest = server.exchange_once(b"hola\n");
        let mut silent = server.accepted();
        server.signal(SIGTERM);
        silent.expect_end();
        server.transcript();
    }
}

/// A client that has room for a part of its replies only: the kernel has the
/// rest, and the server has nothing left to send.
fn slow_to_take(server: &Server) -> Client {
    const ALL: usize = 12_000;
    let mut slow = Client::connect_narrow(server.address);
    slow.send(&pattern(ALL));
    soon("all its replies are sent", || server.bytes(&slow, &["sent"]) == ALL);
    slow
}

fn a_client_that_is_gone_holds_up_no_stop(form: &Form) {
    // It may have said that it would send no more, or not.
    for ended in [false, true] {
        let mut server = form.run("--serve until-eof --grace 60");
        let mut slow = slow_to_take(&server);
        if ended {
            slow.half_close();
        }
        server.signal(SIGTERM);
        wait_until_refused(&server);
        if !ended {
            // Its replies have not arrived: the server waits for it, and does
            // not spin.
            proc::assert_idle(server.pid, "replies that do not arrive");
            assert!(server.is_running(), "it was not waited for");
        }
        slow.reset();
        // If the server still waited for it, its end would take a minute.
        server.transcript();
    }
}

fn replies_that_do_not_arrive_are_given_up_after_the_grace(form: &Form) {
    let mut server = form.run("--serve until-eof --grace 1");
    let slow = slow_to_take(&server);
    let taken = server.time_to_stop(SIGTERM);
    assert_about_a_second(taken);
    server.transcript();
    drop(slow);
}

/// Has a client send more to a server that is stopping: it is dropped, but not
/// answered with a reset.
fn assert_late_input_resets_nothing(mut server: Server, mut client: Client) {
    for _ in 0..3 {
        client.send(b"and more");
        thread::sleep(Duration::from_millis(20));
    }
    assert_eq!(client.receive_all(), b"hola\n");
    drop(client);
    assert_eq!(server.transcript().totals.received, 5);
}

fn a_stop_during_the_last_reading_resets_no_client(form: &Form) {
    let server = form.run("--serve once");
    let client = server.sending(b"hola\n");
    server.wait_for(&client, "sent 5 bytes");
    server.signal(SIGTERM);
    wait_until_refused(&server);
    assert_late_input_resets_nothing(server, client);
}

fn a_stop_before_the_last_reply_resets_no_client(form: &Form) {
    // Processor time makes the reply late: on a busy machine later still.
    let server = form.run("--serve once --grace 60 --cpu-work 1000000");
    let client = server.sending(b"hola\n");
    server.wait_for(&client, r"received 5 bytes: hola\n");
    server.signal(SIGTERM);
    assert_late_input_resets_nothing(server, client);
}

/// A way to ask for a stop.
type Ask = fn(&Server);

fn a_second_signal_ends_it_with_130(form: &Form) {
    let ways: [(Ask, Ask); 5] = [
        (|server| server.signal(SIGINT), |server| server.signal(SIGINT)),
        (|server| server.signal(SIGTERM), |server| server.signal(SIGTERM)),
        (|server| server.signal(SIGTERM), |server| server.signal(SIGINT)),
        // The signal goes to the whole group, as Ctrl-C at a terminal does.
        (|it| it.signal_group(SIGINT), |it| it.signal_group(SIGINT)),
        (|it| it.signal_group(SIGINT), |server| server.signal(SIGTERM)),
    ];
    for (first, second) in ways {
        let mut silent = None;
        let (mut server, slow, _) = stopping(form, "--grace 60", |server| {
            if form.kind == Kind::Processes {
                // The server does not even wait for a child that reacts to
                // nothing.
                let client = silent.insert(server.accepted());
                let child = server.process_of(client);
                kill(child, SIGSTOP).expect("the child can be signalled");
            }
            first(server);
        });
        server.wait_for_notice();
        second(&server);
        // As in every case, nothing that the server created is left then.
        let ended = server.ended();
        assert_eq!(ended.status, 130, "{ended:?}");
        let last = ended.stdout.last().map(String::as_str).unwrap_or_default();
        let name = form.kind.program();
        assert!(last.starts_with(&format!("{name} stopped: ")), "{ended:?}");
        drop(slow);
    }
}

/// What timeout(1), a terminal and a service manager send all at once.
fn a_burst_of_signals_is_one_request(form: &Form) {
    let bursts: [Ask; 4] = [
        |server| (0..5).for_each(|_| server.signal(SIGTERM)),
        |server| (0..5).for_each(|_| server.signal(SIGINT)),
        |server| {
            server.signal(SIGTERM);
            server.signal_group(SIGTERM);
        },
        |server| {
            for signal in [SIGINT, SIGTERM, SIGHUP] {
                server.signal_group(signal);
                server.signal(signal);
            }
        },
    ];
    for burst in bursts {
        assert_slow_reader_gets_everything(form, burst);
    }
}

fn a_hang_up_is_a_stop_unless_it_was_ignored(form: &Form) {
    // The tests themselves may have been started by nohup(1).
    let mut server = form.start("").under("env --default-signal=HUP").run();
    server.signal(SIGHUP);
    assert_eq!(server.transcript().totals.clients, 0);

    // The server is started as nohup(1) starts it.
    let mut server =
        form.start("--serve once").by_shell("trap '' HUP;", "").run();
    server.signal_group(SIGHUP);
    server.exchange_once(b"hola\n");
    server.signal(SIGTERM);
    assert_eq!(server.transcript().totals.clients, 1);
}

fn one_signal_to_the_whole_group_is_one_stop(form: &Form) {
    assert_slow_reader_gets_everything(form, |it| it.signal_group(SIGINT));

    // Without a slow client the stop takes a small part of the grace.
    let mut server = form.run("--serve until-eof --grace 60");
    let mut clients = server.accepted_many(3);
    exchange_all(&mut clients, b"hello");
    server.signal_group(SIGINT);
    clients.iter_mut().for_each(Client::expect_end);
    assert_eq!(server.transcript().totals.sent, 15);
}

fn a_stop_that_waits_says_so(form: &Form) {
    for (language, words) in [
        (
            "en",
            "waiting up to 3 s for 1 client to take its replies; a second \
             Ctrl-C ends the server now",
        ),
        (
            "es",
            "esperando hasta 3 s a que 1 cliente reciba sus respuestas; un \
             segundo Ctrl-C termina el servidor ya",
        ),
    ] {
        // The length of the wait is that of the option.
        let options = format!("--grace 3 --language {language}");
        let mut server = form.run(&format!("--serve until-eof {options}"));
        let (slow, _) = server.stalled();
        server.signal(SIGTERM);
        let ended = server.ended();
        assert_eq!(ended.status, 0, "{ended:?}");
        let name = form.kind.program();
        assert_eq!(ended.stderr, [format!("{name}: {words}")]);
        drop(slow);
    }
    // Without a slow client there is nothing to wait for.
    let server = form.run("--serve until-eof --grace 1");
    let _silent = server.client();
    server.stop();
}
