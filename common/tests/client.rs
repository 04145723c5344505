//! The bundled client, run as its user runs it, against a listener of ours.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::env;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};
use std::sync::Once;

/// Where cargo puts examples: beside the directory of this test's program.
fn program() -> PathBuf {
    static BUILD: Once = Once::new();
    let test = env::current_exe().unwrap();
    let profile = test.parent().unwrap().parent().unwrap();
    let program = profile.join("examples/client");
    // `cargo test` has built it already, `cargo test --test client` has not.
    BUILD.call_once(|| {
        if !program.exists() {
            let status = Command::new(env!("CARGO"))
                .args(["build", "--quiet", "-p", "common"])
                .args(["--example", "client"])
                .status();
            assert!(status.unwrap().success());
        }
    });
    program
}

/// The client with these words, all its streams in our hands.
fn client(words: &[&str]) -> Child {
    Command::new(program())
        .args(words)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}

/// A client and the server's end of its connection.
fn connected() -> (Child, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port().to_string();
    let client = client(&["127.0.0.1", &port]);
    (client, listener.accept().unwrap().0)
}

/// Waits for an end without input, and turns what was printed into text.
fn refusal(words: &[&str]) -> (Option<i32>, String) {
    let Output { status, stdout, stderr } =
        client(words).wait_with_output().unwrap();
    assert_eq!(stdout, b"");
    (status.code(), String::from_utf8(stderr).unwrap())
}

#[test]
fn both_directions_go_on_at_the_same_time() {
    let (mut client, mut server) = connected();
    let mut typing = client.stdin.take().unwrap();
    let mut screen = client.stdout.take().unwrap();
    let mut bytes = [0; 5];
    // The server speaks first, without a newline, and is seen at once.
    server.write_all(b"name?").unwrap();
    screen.read_exact(&mut bytes).unwrap();
    assert_eq!(&bytes, b"name?");
    // A line reaches the server while standard input is still open.
    typing.write_all("¡Ana\n".as_bytes()).unwrap();
    let mut line = String::new();
    BufReader::new(&server).read_line(&mut line).unwrap();
    assert_eq!(line, "¡Ana\n");
    // The server closes: the client ends although its input has not.
    drop(server);
    assert!(client.wait().unwrap().success());
    drop(typing);
}

#[test]
fn the_end_of_the_input_is_a_half_close() {
    let (mut client, mut server) = connected();
    let mut typing = client.stdin.take().unwrap();
    typing.write_all(b"last words").unwrap();
    drop(typing);
    // The server gets the end of file after every byte …
    let mut received = Vec::new();
    server.read_to_end(&mut received).unwrap();
    assert_eq!(received, b"last words");
    // … and can still reply.
    server.write_all(b"goodbye").unwrap();
    drop(server);
    let output = client.wait_with_output().unwrap();
    assert!(output.status.success());
    assert_eq!(output.stdout, b"goodbye");
    assert_eq!(output.stderr, b"");
}

#[test]
fn a_megabyte_passes_unchanged() {
    let (mut client, mut server) = connected();
    let bytes: Vec<u8> = (0..=u8::MAX).cycle().take(1 << 20).collect();
    // More than all the buffers on the way hold: the client must read while it
    // still sends.
    let echo = std::thread::spawn(move || {
        let mut other = server.try_clone().unwrap();
        std::io::copy(&mut server, &mut other).unwrap();
        other.shutdown(Shutdown::Write).unwrap();
    });
    let mut typing = client.stdin.take().unwrap();
    let sent = bytes.clone();
    let typist = std::thread::spawn(move || typing.write_all(&sent).unwrap());
    let output = client.wait_with_output().unwrap();
    typist.join().unwrap();
    echo.join().unwrap();
    assert!(output.status.success());
    assert!(output.stdout == bytes, "{} bytes", output.stdout.len());
}

#[test]
fn without_a_listener_there_is_one_line_and_status_1() {
    // Bound and dropped: the port was free a moment ago.
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port().to_string();
    drop(listener);
    let (status, line) = refusal(&["127.0.0.1", &port]);
    assert_eq!(status, Some(1));
    let start = format!("client: 127.0.0.1:{port}: ");
    assert!(line.starts_with(&start), "{line}");
    assert_eq!(line.matches('\n').count(), 1);
}

#[test]
fn a_wrong_command_line_is_status_2() {
    for words in [
        &[][..],
        &["127.0.0.1"],
        &["127.0.0.1", "x"],
        &["127.0.0.1", "65536"],
        &["127.0.0.1", "1", "2"],
    ] {
        let usage = "usage: client HOST PORT\n".to_owned();
        assert_eq!(refusal(words), (Some(2), usage), "{words:?}");
    }
}
