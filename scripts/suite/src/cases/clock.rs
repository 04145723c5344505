//! Time limits of a server that comes late: it asks the kernel first.

use probe::client::part_of_pattern;
use socket2::{Domain, Socket, Type};
use std::io::{Read as _, Write as _};
use std::net::TcpStream;

use crate::prelude::*;

pub const CASES: &[Case] = &[
    case!(a_client_whose_message_waits_is_not_idle).only(polls).timed(),
    case!(what_came_while_the_server_was_suspended_counts)
        .only(has_loops)
        .slow(),
    case!(a_client_that_takes_less_than_the_kernel_reports_is_not_idle).slow(),
    case!(a_lowered_limit_of_descriptors_harms_no_client_in_service)
        .only(has_loops)
        .needs(&[Need::Prlimit])
        .slow(),
];

/// What a client does while the server is suspended.
type Speak = fn(&mut Client);

/// Whether the server waits by poll(2): this form stands for all where a case
/// costs much processor time.
fn polls(form: &Form) -> bool {
    form.options.ends_with(" poll")
}

fn a_client_whose_message_waits_is_not_idle(form: &Form) {
    // One round takes the loop 1.3 s; with two loops each takes as long.
    let work = 80_000 * form.workers.unwrap_or(1);
    let options = format!("--serve until-eof --cpu-work {work}");
    let server = form.run(&format!("{options} --idle-timeout 1"));
    let clients: Vec<Client> = server.clients(16);
    // Each sends its next message as soon as it has its reply.
    let threads = clients.into_iter().map(|mut client| {
        thread::spawn(move || {
            for _ in 0..2 {
                client.exchange(b"hola\n");
            }
            client.leave();
            client.address
        })
    });
    for thread in threads.collect::<Vec<_>>() {
        let address = thread.join().expect("each message has its reply");
        assert_eq!(server.wait_closed(address), "");
    }
    server.stop();
}

fn what_came_while_the_server_was_suspended_counts(form: &Form) {
    // The suspension is longer than the idle limit, and than the wait for an
    // end of file.
    let suspend = |server: &Server, client: &mut Client, speak: Speak| {
        server.signal(SIGSTOP);
        soon("it is suspended", || proc::state(server.pid) == Some('T'));
        speak(client);
        thread::sleep(Duration::from_millis(1500));
        server.signal(Signal::SIGCONT);
    };
    let server = form.run("--serve until-eof --idle-timeout 1");
    let mut client = server.accepted();
    let silent = server.accepted();
    suspend(&server, &mut client, |client| client.send(b"hola\n"));
    client.expect(b"hola\n");
    assert_eq!(server.wait_closed(silent.address), ": idle for 1 s");
    drop(client);
    server.stop();

    let server = form.run("--serve once");
    let mut client = server.accepted();
    client.exchange(b"hola\n");
    suspend(&server, &mut client, |client| {
        client.send(&pattern(100_000));
        client.half_close();
    });
    // A close with unread input would be a reset.
    client.expect_end();
    server.stop();
}

fn a_client_that_takes_less_than_the_kernel_reports_is_not_idle(form: &Form) {
    let server = form.run("--serve until-eof --idle-timeout 4");
    // A small buffer here, and a large one in the server's kernel.
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None)
        .expect("there are sockets");
    socket.set_recv_buffer_size(1024).expect("the kernel rounds it up");
    socket.connect(&server.address.into()).expect("the server listens");
    let mut client = TcpStream::from(socket);
    let address = client.local_addr().expect("it has an address");
    // The reply waits for this client: the kernel takes no byte for so long.
    client.set_write_timeout(Some(Duration::from_millis(500))).expect("not 0");
    let mut sent = 0;
    while let Ok(count) = client.write(&part_of_pattern(sent, 4096)) {
        sent += count;
    }
    // Far less than a third of the server's send buffer, below which the
    // kernel does not report room.
    let begin = Instant::now();
    let mut received: Vec<u8> = Vec::new();
    let mut buffer = [0; 2048];
    while begin.elapsed() < Duration::from_secs(9) {
        thread::sleep(Duration::from_millis(150));
        let count = client.read(&mut buffer).expect("the reply goes on");
        received.extend(&buffer[..count]);
    }
    assert!(received == pattern(received.len()), "another reply");
    assert_eq!(server.count("  closed"), 0);
    // It would take a minute to read the rest.
    drop(client);
    server.wait_closed(address);
    server.stop();
}

fn a_lowered_limit_of_descriptors_harms_no_client_in_service(form: &Form) {
    let server = form.run("--serve until-eof");
    let mut clients = server.accepted_many(30);
    server.limit("nofile", 16);
    // With poll(2) the server meets the limit at its next wait, and a message
    // brings that about.
    for client in &mut clients {
        client.exchange(b"hola\n");
    }
    proc::assert_idle(server.pid, "more descriptors than the limit");
    server.limit("nofile", 1024);
    for client in &mut clients {
        client.exchange(b"hola\n");
    }
    let mut late = server.accepted();
    late.exchange(b"as before\n");
    drop((clients, late));
    let ended = server.stop_unchecked();
    Transcript::check(form.kind, &ended.stdout);
    let errors = ended.stderr;
    assert_eq!(errors.len(), usize::from(polls(form)), "{errors:#?}");
}
