//! Standard output that is closed, full or not read; and streams that are
//! missing from the start.

use std::fs::File;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::prelude::*;

pub const CASES: &[Case] = &[
    case!(the_service_goes_on_when_its_output_is_closed),
    case!(the_service_goes_on_when_the_disk_is_full),
    case!(the_service_goes_on_at_a_limit_of_file_size),
    case!(it_runs_with_its_standard_streams_closed),
    case!(output_that_is_not_read_pauses_and_loses_nothing).slow(),
];

/// Whether a server takes connections at this address.
fn is_listening(address: SocketAddr) -> bool {
    Client::try_connect(address).is_ok()
}

/// Has several clients served, and gets nothing but their echo.
fn assert_serves(server: &Server) {
    for _ in 0..5 {
        let mut client = server.served(b"hola\n");
        client.exchange(b"adios\n");
        client.leave();
    }
}

fn the_service_goes_on_when_its_output_is_closed(form: &Form) {
    let server =
        form.start("--serve until-eof").reading(Reading::FirstLine).run();
    soon("the reader is gone", || {
        // Its thread ends after the first line and closes the pipe.
        server.stdout.all().len() == 1
    });
    assert_serves(&server);
    proc::assert_idle(server.pid, "output that is closed");
    let ended = server.stop_unchecked();
    assert_eq!(ended.stdout.len(), 1, "{ended:?}");
}

fn the_service_goes_on_when_the_disk_is_full(form: &Form) {
    let full = File::options().write(true).open("/dev/full");
    let server = form
        .start("--serve until-eof")
        .stdout(full.expect("Linux has /dev/full"))
        .run_unseen(is_listening);
    assert_serves(&server);
    proc::assert_idle(server.pid, "a full disk");
    server.stop_unchecked();
}

/// Unless a program ignores SIGXFSZ, the kernel ends it when it writes beyond
/// `ulimit -f`.
fn the_service_goes_on_at_a_limit_of_file_size(form: &Form) {
    let folder = folder();
    let path = |name: &str| folder.path().join(name);
    let limit = format!("cd '{}'; ulimit -f 1;", folder.path().display());
    let server = form
        .start("--serve until-eof --trace trace")
        .by_shell(&limit, ">out 2>err")
        .run_unseen(is_listening);
    // These are far more lines than the limit of 512 or 1024 bytes lets
    // through.
    for _ in 0..20 {
        assert_serves(&server);
    }
    for name in ["out", "trace"] {
        let length = fs::metadata(path(name)).expect("it exists").len();
        assert!(length <= 1024, "{name} has {length} bytes");
        assert!(length >= 512, "{name} has {length} bytes");
    }
    server.stop_unchecked();
}

fn it_runs_with_its_standard_streams_closed(form: &Form) {
    for closed in ["<&-", ">&-", "2>&-", "<&- >&-", "<&- >&- 2>&-"] {
        let server = form
            .start("--serve until-eof")
            .by_shell("", closed)
            .run_unseen(is_listening);
        assert_serves(&server);
        if closed.contains(">&- ") || closed.ends_with(">&-") {
            server.stop_unchecked();
        } else {
            server.stop();
        }
    }
}

fn output_that_is_not_read_pauses_and_loses_nothing(form: &Form) {
    const CLIENTS: usize = 6;
    const MESSAGES: usize = 30;
    let server = form
        .start("--serve until-eof")
        .room_for(CLIENTS)
        .reading(Reading::Held)
        .run();
    let done = AtomicUsize::new(0);
    thread::scope(|scope| {
        for _ in 0..CLIENTS {
            let mut client = server.client();
            let done = &done;
            scope.spawn(move || {
                // Each makes a line of 4096 bytes: far more than a pipe holds.
                for _ in 0..MESSAGES {
                    client.exchange(&[0x1b; 1024]);
                    done.fetch_add(1, Ordering::Relaxed);
                }
                client.leave();
            });
        }
        // The case waits until nothing moves any more, whether the server
        // pauses or goes on.
        soon("the pipe is full, or all are served", || {
            let before = done.load(Ordering::Relaxed);
            thread::sleep(Duration::from_millis(200));
            done.load(Ordering::Relaxed) == before
        });
        proc::assert_idle(server.pid, "output that is not read");
        server.stdout.resume();
    });
    let totals = server.stop().totals;
    let all = (CLIENTS * MESSAGES * 1024) as u64;
    assert_eq!((totals.received, totals.sent), (all, all));
}
